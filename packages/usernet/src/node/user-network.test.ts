import { spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { type DnsMessage, echoRequest, encodeDns, parseDns, type TcpConnection } from '@domu/netstack';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { UserNetworkOptions } from '../options.ts';
import { concat, readAll, TestGuest, writeAll } from '../testing.ts';
import { UserNetwork } from '../user-network.ts';
import { NodeNetwork } from './node-network.ts';
import { HostTicker } from './ticker.ts';

const GATEWAY = 0x0a000202;
const NAME_SERVER = 0x0a000203;
const undo: (() => void)[] = [];
afterEach(() => {
  for (const step of undo.splice(0).reverse()) step();
});

function setUp(options: Partial<UserNetworkOptions> = {}) {
  const [clock, guestClock] = [new HostTicker(), new HostTicker()];
  const log: string[] = [];
  const host = new NodeNetwork();
  const network = new UserNetwork({ clock, host, log: (text) => log.push(text) }, options);
  clock.start(network);
  const guest = new TestGuest(network, guestClock);
  guestClock.start(guest.stack);
  undo.push(() => {
    network.close();
    clock.stop();
    guestClock.stop();
  });
  return { network, guest, log };
}

async function serve(onSocket: (socket: Socket) => void): Promise<{ port: number; server: Server }> {
  const server = createServer({ allowHalfOpen: true }, onSocket);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  undo.push(() => server.close());
  return { port: (server.address() as AddressInfo).port, server };
}

async function collect(socket: Socket): Promise<Uint8Array> {
  socket.on('error', () => {});
  const chunks: Uint8Array[] = [];
  socket.on('data', (chunk: Uint8Array) => chunks.push(chunk));
  await once(socket, 'end');
  return concat(chunks);
}

/** Waits for a state of affairs. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
}

const big = new Uint8Array(5_000_000).map((_, at) => Math.imul(at, 2654435761) >>> 24);

describe('connections of the guest', () => {
  test('carry data both ways, whole', async () => {
    const { network, guest } = setUp();
    const received: Promise<Uint8Array>[] = [];
    const { port } = await serve((socket) => {
      received.push(collect(socket));
      socket.end(big);
    });
    expect(guest.lease?.address).toBe(0x0a00020f);
    const connection = guest.connect(GATEWAY, port);
    const reading = readAll(connection);
    expect(Buffer.compare(await reading, big)).toBe(0);
    await writeAll(connection, big);
    expect(Buffer.compare(await received[0]!, big)).toBe(0);
    await until(() => network.flowCount.tcp === 0);
  });
  test('may be half-closed: the answer comes after the guest has said all', async () => {
    const { guest } = setUp();
    const { port } = await serve(async (socket) => {
      const question = await collect(socket);
      socket.end(question.reverse());
    });
    const connection = guest.connect(GATEWAY, port);
    await until(() => connection.state === 'ESTABLISHED');
    await writeAll(connection, Uint8Array.of(1, 2, 3));
    expect(await readAll(connection)).toEqual(Uint8Array.of(3, 2, 1));
  });
  test('that the host refuses are reset', async () => {
    const { guest, network } = setUp();
    const { port, server } = await serve(() => {});
    server.close();
    const connection = guest.connect(GATEWAY, port);
    await until(() => connection.state === 'CLOSED');
    expect([connection.closeReason, network.flowCount.tcp]).toEqual(['refused', 0]);
  });
  test('that the host resets are reset, and the other way round', async () => {
    const { guest } = setUp();
    const sockets: Socket[] = [];
    const { port } = await serve((socket) => {
      socket.on('error', () => {});
      sockets.push(socket);
    });
    const [first, second] = [guest.connect(GATEWAY, port), guest.connect(GATEWAY, port)];
    await until(() => sockets.length === 2 && second.state === 'ESTABLISHED');
    const firstPort = sockets.findIndex((socket) => socket.remotePort !== undefined);
    sockets[firstPort]!.resetAndDestroy();
    await until(() => first.state === 'CLOSED' || second.state === 'CLOSED');
    const left = first.state === 'CLOSED' ? second : first;
    left.abort();
    await new Promise((resolve) => sockets[1 - firstPort]!.once('close', resolve));
  });
  test('to a host that does not read fill bounded buffers and no more', async () => {
    const { guest } = setUp({ bufferBytes: 65536 });
    let socket: Socket | undefined;
    const { port } = await serve((accepted) => {
      accepted.pause();
      accepted.on('error', () => {});
      socket = accepted;
    });
    const connection = guest.connect(GATEWAY, port);
    await until(() => connection.state === 'ESTABLISHED');
    let written = 0;
    let busy = false;
    const writing = new Promise<void>((resolve) => {
      const pour = () => {
        if (busy) return;
        busy = true;
        for (let count = -1; count !== 0 && written < 24 << 20; written += count)
          count = connection.write(big.subarray(0, Math.min(big.length, (24 << 20) - written)));
        busy = false;
        if (written === 24 << 20) resolve();
      };
      connection.onEvent = pour;
      pour();
    });
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(written).toBeLessThan(24 << 20);
    let drained = 0;
    socket!.on('data', (chunk) => (drained += chunk.length));
    socket!.resume();
    await writing;
    await until(() => drained === 24 << 20);
    connection.abort();
  });
  test('that are reset while the host does not read leave nothing behind', async () => {
    const { guest } = setUp();
    let socket: Socket | undefined;
    const { port, server } = await serve((accepted) => {
      accepted.pause();
      accepted.on('error', () => {});
      socket = accepted;
    });
    const connection = guest.connect(GATEWAY, port);
    await until(() => connection.state === 'ESTABLISHED');
    for (let count = -1; count !== 0; ) {
      count = connection.write(big);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    connection.abort();
    await new Promise((resolve) => setTimeout(resolve, 20));
    const ended = new Promise((resolve) => socket!.once('end', resolve));
    socket!.resume(); // gets what the host's kernel holds, and the end
    await ended;
    socket!.destroy();
    server.close();
  });
  test('beyond the limit are not opened', async () => {
    const { guest, network } = setUp({ maxTcpFlows: 3 });
    const { port } = await serve((socket) => socket.on('error', () => {}));
    const all: TcpConnection[] = [1, 2, 3, 4].map(() => guest.connect(GATEWAY, port));
    await until(() => all.filter(({ state }) => state === 'ESTABLISHED').length === 3);
    expect(network.flowCount.tcp).toBe(3);
    for (const connection of all) connection.abort();
    await until(() => network.flowCount.tcp === 0);
  });
  test('to the net itself, to groups, or from a restricted guest lead nowhere', async () => {
    const { guest } = setUp();
    const restricted = setUp({ restrict: true });
    const { port } = await serve(() => {});
    guest.stack.ipv4.neighbours.get(guest.netif)!.learn(GATEWAY + 50, 0x525400123502);
    const all = [
      guest.connect(GATEWAY + 50, port),
      guest.connect(0xf0000001, port),
      restricted.guest.connect(GATEWAY, port),
    ];
    await until(() => all.every(({ state }) => state === 'CLOSED'));
    expect(all.map(({ closeReason }) => closeReason)).toEqual(['refused', 'refused', 'refused']);
  });
});

test('a process whose flows are cut off in the middle of a half-close ends', () => {
  const network = new URL('./node-network.ts', import.meta.url).href;
  // A reset while the shutdown is under way: libuv refuses it, and Node 20 spins for ever when it exits.
  const program = `
    import { createServer } from 'node:net';
    import { NodeNetwork } from ${JSON.stringify(network)};
    const server = createServer((socket) => socket.on('error', () => {})).listen(0, '127.0.0.1', () => {
      const events = { data() {}, drained() {}, ended() {}, closed() { process.exitCode = 7; server.close(); } };
      const stream = new NodeNetwork().connectTcp({ address: '127.0.0.1', port: server.address().port }, {
        ...events,
        connected() {
          stream.end();
          stream.destroy(true);
        },
      });
    });`;
  const args = ['--conditions=@domu/source', '--import', 'tsx', '--input-type=module', '-e', program];
  const { status, signal } = spawnSync(process.execPath, args, { timeout: 30_000, cwd: import.meta.dirname });
  expect([status, signal]).toEqual([7, null]);
});

describe('forwards', () => {
  test('of TCP lead to the guest', async () => {
    const free = await serve(() => {});
    free.server.close();
    const forward = { protocol: 'tcp', host: { address: '127.0.0.1', port: free.port } } as const;
    const { guest } = setUp({ forwards: [{ ...forward, guestAddress: undefined, guestPort: 22 }] });
    const listener = guest.stack.tcp.listen({ address: 0, port: 22, backlog: 4 })!;
    const socket = connect(free.port, '127.0.0.1');
    const answer = collect(socket);
    socket.end(big);
    await until(() => listener.readyCount > 0);
    const connection = listener.accept()!;
    expect(connection.addresses.remoteAddress).toBe(GATEWAY);
    expect(Buffer.compare(await readAll(connection), big)).toBe(0);
    await writeAll(connection, big);
    expect(Buffer.compare(await answer, big)).toBe(0);
  });
  test('to a port where the guest does not listen are reset', async () => {
    const free = await serve(() => {});
    free.server.close();
    const forward = { protocol: 'tcp', host: { address: '127.0.0.1', port: free.port } } as const;
    setUp({ forwards: [{ ...forward, guestAddress: undefined, guestPort: 22 }] });
    const socket = connect(free.port, '127.0.0.1');
    const error = await new Promise<NodeJS.ErrnoException>((resolve) => socket.on('error', resolve));
    expect(error.code).toBe('ECONNRESET');
  });
  test('of a port that is taken are reported', async () => {
    const { port } = await serve(() => {});
    const forward = { protocol: 'tcp', host: { address: '127.0.0.1', port } } as const;
    const { log } = setUp({ forwards: [{ ...forward, guestAddress: undefined, guestPort: 22 }] });
    await until(() => log.length > 0);
    expect(log[0]).toMatch(new RegExp(`hostfwd: tcp port 127.0.0.1:${port} .*EADDRINUSE`));
  });
  test('of UDP lead to the guest, and its answers back', async () => {
    const peer = createSocket('udp4');
    peer.bind(0, '127.0.0.1');
    await once(peer, 'listening');
    undo.push(() => peer.close());
    const probe = createSocket('udp4');
    probe.bind(0, '127.0.0.1');
    await once(probe, 'listening');
    const { port } = probe.address();
    await new Promise<void>((resolve) => probe.close(resolve));
    const forward = { protocol: 'udp', host: { address: '127.0.0.1', port } } as const;
    const { guest } = setUp({ forwards: [{ ...forward, guestAddress: undefined, guestPort: 9 }] });
    guest.stack.udp.add({
      ...{ address: 0, port: 9 },
      receive: ({ source, sourcePort, destination, destinationPort, payload }) =>
        void guest.stack.udp.send(payload.slice().reverse(), {
          ...{ source: destination, sourcePort: destinationPort },
          ...{ destination: source, destinationPort: sourcePort },
        }),
    });
    const answer = once(peer, 'message');
    await until(() => {
      peer.send(Uint8Array.of(1, 2, 3), port, '127.0.0.1');
      return true;
    });
    expect(new Uint8Array((await answer)[0])).toEqual(Uint8Array.of(3, 2, 1));
  });
});

describe('names', () => {
  let resolver: ReturnType<typeof createSocket>;
  beforeEach(async () => {
    resolver = createSocket('udp4');
    resolver.bind(0, '127.0.0.1');
    await once(resolver, 'listening');
    undo.push(() => resolver.close());
  });
  test('are asked from the resolver that was given', async () => {
    const { guest } = setUp({ resolver: { address: '127.0.0.1', port: resolver.address().port } });
    resolver.on('message', (message, { port, address }) => {
      const query = parseDns(message)!;
      const [{ name, type }] = query.questions as [DnsMessage['questions'][0]];
      const answers = [{ name, type, ttlSeconds: 5, data: Uint8Array.of(1, 2, 3, 4) }];
      resolver.send(encodeDns({ ...query, response: true, answers })!, port, address);
    });
    const answer = new Promise<Uint8Array>((resolve) => {
      guest.stack.udp.add({ address: 0, port: 5000, receive: ({ payload }) => resolve(payload.slice()) });
    });
    const query: DnsMessage = {
      ...{ id: 7, response: false, opcode: 0, recursionDesired: true, truncated: false, rcode: 0 },
      ...{ questions: [{ name: 'some.where', type: 1 }], answers: [] },
    };
    guest.stack.udp.send(encodeDns(query)!, {
      ...{ source: guest.lease!.address, sourcePort: 5000, destination: NAME_SERVER, destinationPort: 53 },
    });
    expect(parseDns(await answer)!.answers[0]!.data).toEqual(Uint8Array.of(1, 2, 3, 4));
  });
});

test('the gateway answers pings', () => {
  const { guest } = setUp();
  const types: number[] = [];
  guest.stack.ipv4.rawTaps.add(({ protocol, data, payload }) => {
    if (protocol === 1) types.push(data[payload]!);
  });
  guest.stack.icmp.send(guest.lease!.address, GATEWAY, echoRequest(1, 1, new Uint8Array(10)));
  expect(types).toEqual([0]);
});
