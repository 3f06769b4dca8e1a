import {
  DhcpClient,
  type DhcpLease,
  type NetInterface,
  NetStack,
  type StackHost,
  type TcpConnection,
} from '@domu/netstack';
import type { UserNetwork } from './user-network.ts';

/** A guest on a user-mode network: a stack of its own that has got its address by DHCP. */
export class TestGuest {
  readonly stack: NetStack;
  readonly netif: NetInterface;
  lease: DhcpLease | undefined;
  #nextPort = 40000;

  constructor(network: UserNetwork, clock: StackHost, mac = 0x00163e000001) {
    this.stack = new NetStack(clock);
    this.netif = this.stack.addInterface({ name: 'eth0', mac });
    this.netif.connect(network.attach(this.netif));
    const onLease = (lease: DhcpLease | undefined): void => {
      this.lease = lease;
    };
    const random32 = (): number => clock.random32();
    new DhcpClient({ stack: this.stack, netif: this.netif, random32, onLease });
  }

  connect(remoteAddress: number, remotePort: number): TcpConnection {
    const localAddress = this.lease!.address;
    const localPort = this.#nextPort++;
    return this.stack.tcp.connect({ localAddress, localPort, remoteAddress, remotePort })!;
  }
}

/** Collects what a connection receives; resolves at its end or when it is gone. */
export function readAll(connection: TcpConnection): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  return new Promise((resolve) => {
    const step = (): void => {
      for (let chunk = connection.take(); chunk !== undefined; chunk = connection.take()) chunks.push(chunk);
      if (connection.atEnd) resolve(concat(chunks));
    };
    connection.onEvent = step;
    step();
  });
}

export function concat(chunks: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(chunks.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}

/** Writes everything as room allows, then half-closes. Keeps the connection's events for itself meanwhile. */
export function writeAll(connection: TcpConnection, data: Uint8Array): Promise<void> {
  let at = 0;
  return new Promise((resolve) => {
    let busy = false;
    const step = (): void => {
      if (busy) return;
      busy = true;
      for (let count = -1; count !== 0; at += count) count = connection.write(data.subarray(at));
      busy = false;
      if (at < data.length && connection.state !== 'CLOSED') return;
      connection.onEvent = null;
      connection.shutdown();
      resolve();
    };
    connection.onEvent = step;
    step();
  });
}
