import { createSocket } from 'node:dgram';
import { getServers } from 'node:dns';
import { connect, createServer, type Socket } from 'node:net';
import type {
  HostDatagramSocket,
  HostEndpoint,
  HostFailure,
  HostListener,
  HostNetwork,
  HostStream,
  HostStreamEvents,
} from '@domu/usernet';

const DNS_PORT = 53;
/** Datagrams that wait in one socket; what is more is dropped. */
const MAX_QUEUED_BYTES = 1 << 20;

/** The sockets of the process that runs this. */
export class NodeNetwork implements HostNetwork {
  connectTcp(to: HostEndpoint, events: HostStreamEvents): HostStream {
    const socket = connect({ host: to.address, port: to.port, allowHalfOpen: true, noDelay: true });
    socket.once('connect', () => events.connected());
    listen(socket, () => events);
    return new NodeStream(socket);
  }

  listenTcp(
    at: HostEndpoint,
    accept: (stream: HostStream, from: HostEndpoint) => HostStreamEvents,
    failed: (reason: string) => void,
  ): HostListener {
    const server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, (socket) => {
      const from = { address: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 };
      const events = accept(new NodeStream(socket), from);
      listen(socket, () => events);
    });
    server.on('error', (error) => failed(error.message));
    server.listen(at.port, at.address);
    return { close: () => void server.close() };
  }

  openUdp(
    at: HostEndpoint | undefined,
    receive: (payload: Uint8Array, from: HostEndpoint) => void,
    failed: (reason: string) => void,
  ): HostDatagramSocket {
    const socket = createSocket('udp4');
    let closed = false;
    let queued = 0;
    const close = (): void => {
      if (closed) return;
      closed = true;
      socket.close();
    };
    socket.on('error', (error) => {
      close();
      failed(error.message);
    });
    socket.on('message', (payload, { address, port }) => {
      if (!closed) receive(payload, { address, port });
    });
    if (at !== undefined) socket.bind(at.port, at.address);
    return {
      close,
      send: (payload, to) => {
        if (closed || queued + payload.length > MAX_QUEUED_BYTES) return;
        queued += payload.length;
        // An error of one datagram (no route, too long) is the network's way to lose it.
        socket.send(payload, to.port, to.address, () => {
          queued -= payload.length;
        });
      },
    };
  }

  resolvers(): readonly HostEndpoint[] {
    const servers = getServers().map((server): HostEndpoint => {
      const [, bracketed, port] = /^\[(.*)\](?::(\d+))?$/.exec(server) ?? [];
      if (bracketed !== undefined) return { address: bracketed, port: Number(port ?? DNS_PORT) };
      const [address, plainPort] = /^[\d.]+(:\d+)?$/.test(server) ? server.split(':') : [server];
      return { address, port: Number(plainPort ?? DNS_PORT) };
    });
    return servers.filter(({ address }) => !address.includes(':'));
  }
}

class NodeStream implements HostStream {
  readonly #socket: Socket;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  write(chunk: Uint8Array): boolean {
    return this.#socket.write(chunk);
  }

  end(): void {
    this.#socket.end();
  }

  destroy(reset: boolean): void {
    const { writableEnded, writableLength, connecting } = this.#socket;
    // libuv refuses to reset a stream that is being shut down, and Node then never lets go of it: the process cannot end. And
    // Node's reset waits until everything has been written, which a peer that does not read puts off for ever.
    if (reset && !writableEnded && writableLength === 0 && !connecting) this.#socket.resetAndDestroy();
    else this.#socket.destroy();
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }
}

function listen(socket: Socket, events: () => HostStreamEvents): void {
  let failure: HostFailure | undefined;
  socket.on('data', (chunk: Uint8Array) => events().data(chunk));
  socket.on('drain', () => events().drained());
  socket.on('end', () => events().ended());
  socket.on('error', (error: NodeJS.ErrnoException) => {
    failure = failureOf(error.code);
  });
  socket.on('close', () => events().closed(failure));
}

function failureOf(code: string | undefined): HostFailure {
  switch (code) {
    case 'ECONNREFUSED':
      return 'refused';
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'EADDRNOTAVAIL':
      return 'unreachable';
    case 'ETIMEDOUT':
      return 'timeout';
    default:
      return 'reset';
  }
}
