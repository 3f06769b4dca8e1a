import { bench, describe } from 'vitest';
import type { EthernetPort, Frame, Offloads } from '../src/port.ts';
import { NetStack } from '../src/stack.ts';
import { pattern, TestHost } from '../src/testing.ts';

const MEGABYTES = 16;
const A = 0x0a000001;
const B = 0x0a000002;

/** One direction of a cable without loss or delay. */
function cable(to: EthernetPort, offloads: Offloads): EthernetPort {
  return { offloads, transmit: (frame: Frame) => to.transmit(frame), resume: () => to.resume() };
}

/** Two stacks with a connection, and a transfer over it. */
function transfer(large: boolean): void {
  const host = new TestHost();
  const offloads = { checksum: large, tcpv4: large, tcpv6: false };
  const [a, b] = [new NetStack(host), new NetStack(host)];
  const [left, right] = [a.addInterface({ name: 'a', mac: 1 }), b.addInterface({ name: 'b', mac: 2 })];
  left.connect(cable(right, offloads));
  right.connect(cable(left, offloads));
  a.addAddress(left, A, 24);
  b.addAddress(right, B, 24);
  const listener = b.tcp.listen({ address: 0, port: 80, backlog: 1 })!;
  const client = a.tcp.connect({ localAddress: A, localPort: 4, remoteAddress: B, remotePort: 80 })!;
  const server = listener.accept()!;
  const data = pattern(64 * 1024);
  let received = 0;
  let written = 0;
  while (received < MEGABYTES << 20) {
    if (written < MEGABYTES << 20) written += client.write(data);
    for (let chunk = server.take(); chunk !== undefined; chunk = server.take()) received += chunk.length;
  }
}

describe(`${MEGABYTES} MiB from stack to stack`, () => {
  bench('large frames, no checksums', () => transfer(true), {
    iterations: 3,
    time: 0,
    warmupIterations: 1,
    warmupTime: 0,
  });
  bench('frames of 1500 bytes with checksums', () => transfer(false), {
    ...{ iterations: 3, time: 0, warmupIterations: 1, warmupTime: 0 },
  });
});
