import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { NetInterface } from './interface.ts';
import type { Frame } from './port.ts';
import { NetStack } from './stack.ts';
import { A, B, pattern, TestHost, TestNet } from './testing.ts';
import { set16, set32 } from './wire/bytes.ts';
import { checksumOf } from './wire/checksum.ts';
import { completeChecksum, deliver, ordinaryFrame, segmentFrame, verifyChecksum } from './wire/offload.ts';

/** Frames that were really sent: a handshake, data both ways, UDP, a ping, fragments. */
function realFrames(): Uint8Array[] {
  const net = new TestNet({ direct: true });
  const frames: Uint8Array[] = [];
  net.b.interfaces[0]!.taps.add((data) => frames.push(data.slice()));
  const listener = net.b.tcp.listen({ address: 0, port: 80, backlog: 8 })!;
  const client = net.a.tcp.connect({ localAddress: A, localPort: 4, remoteAddress: B, remotePort: 80 })!;
  const server = listener.accept()!;
  client.write(pattern(3000));
  server.write(pattern(100));
  net.a.icmp.send(A, B, Uint8Array.of(8, 0, 0, 0, 0, 1, 0, 1, 9, 9));
  net.a.udp.send(pattern(4000), { source: A, sourcePort: 1, destination: B, destinationPort: 2 });
  server.close();
  client.close();
  net.run();
  return frames;
}

function victim(): { host: TestHost; stack: NetStack; netif: NetInterface; sent: () => number } {
  const host = new TestHost();
  const stack = new NetStack(host, { maxTcpConnections: 64 });
  const netif = stack.addInterface({ name: 'eth0', mac: 0x020000000002 });
  let count = 0;
  netif.connect({
    offloads: { checksum: true, tcpv4: true, tcpv6: true },
    transmit: () => ++count > 0,
    resume() {},
  });
  stack.addAddress(netif, B, 24);
  stack.tcp.listen({ address: 0, port: 80, backlog: 8 });
  return { host, stack, netif, sent: () => count };
}

const frames = realFrames();
const state = fc.constantFrom<Frame['checksum']>('present', 'validated', 'blank');
const change = fc.tuple(fc.nat(80), fc.nat(255));
const mangled: fc.Arbitrary<Frame> = fc
  .tuple(
    fc.nat(frames.length - 1),
    fc.array(change, { maxLength: 4 }),
    fc.option(fc.nat(1500)),
    state,
    fc.boolean(),
  )
  .map(([index, changes, cut, checksum, repair]) => {
    const data = frames[index]!.slice(0, cut ?? undefined);
    for (const [at, to] of changes) if (at < data.length) data[at] = to;
    if (repair && data.length >= 34) {
      set16(data, 24, 0);
      set16(data, 24, checksumOf(data, 14, 14 + Math.min((data[14]! & 15) * 4, data.length - 14)));
      completeChecksum(data);
    }
    return { data, checksum, gsoSize: 0, gsoType: 'tcpv4' };
  });

describe('frames from a hostile network', () => {
  test('never throw, and leave no more connections and datagrams than the limits allow', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(mangled, fc.nat(1e9)), { maxLength: 200 }), (input) => {
        const { host, stack, netif } = victim();
        for (const [frame, pause] of input) {
          deliver(netif, frame);
          host.now += pause;
          stack.tick();
        }
        expect(stack.tcp.size).toBeLessThanOrEqual(64);
      }),
      { numRuns: 150, seed: 1 },
    );
  });
  test('a flood of SYNs fills the backlog and no more, and is forgotten', () => {
    const { host, stack, netif } = victim();
    const syn = frames.find((data) => data[47] === 2)!.slice();
    for (let port = 1; port < 20_000; port++) {
      set16(syn, 34, port);
      set32(syn, 26, A + (port % 200));
      set16(syn, 24, 0);
      set16(syn, 24, checksumOf(syn, 14, 34));
      deliver(netif, { data: syn, checksum: 'validated', gsoSize: 0, gsoType: 'tcpv4' });
    }
    expect(stack.tcp.size).toBe(16);
    for (let count = 0; count < 20; count++) {
      host.now += 60e9;
      stack.tick();
    }
    expect(stack.tcp.size).toBe(0);
  });
  test('fragments without end do not pile up', () => {
    const { stack, netif } = victim();
    const fragment = frames.find((data) => data[23] === 17 && (data[20]! & 0x20) !== 0)!.slice();
    const heap = process.memoryUsage().heapUsed;
    for (let id = 0; id < 30_000; id++) {
      set16(fragment, 18, id & 0xffff);
      set16(fragment, 20, 0x2000 | (id % 100));
      set16(fragment, 24, 0);
      set16(fragment, 24, checksumOf(fragment, 14, 34));
      deliver(netif, ordinaryFrame(fragment));
    }
    expect(process.memoryUsage().heapUsed - heap).toBeLessThan(200 << 20);
    expect(stack.tcp.size).toBe(0);
  });
  test('errors in answer are few', () => {
    const { netif, sent } = victim();
    const datagram = frames.find((data) => data[23] === 17)!.slice();
    set16(datagram, 20, 0);
    set16(datagram, 38, 30);
    set16(datagram, 16, 50);
    set16(datagram, 24, 0);
    set16(datagram, 24, checksumOf(datagram, 14, 34));
    for (let count = 0; count < 1000; count++)
      deliver(netif, { data: datagram, checksum: 'validated', gsoSize: 0, gsoType: 'tcpv4' });
    expect(sent()).toBeLessThanOrEqual(110);
  });
});

describe('a large frame', () => {
  const large = (gsoSize: number): Frame => {
    const net = new TestNet();
    let found: Frame | undefined;
    const other = new NetInterface(
      { name: 'x', mac: 1 },
      () => {},
      () => {},
    );
    net.a.interfaces[0]!.connect({
      offloads: { checksum: true, tcpv4: true, tcpv6: false },
      resume() {},
      transmit: (frame) => {
        if (frame.gsoSize > 0) found = { ...frame, data: frame.data.slice(), gsoSize };
        return net.b.interfaces[0]!.transmit(frame);
      },
    });
    net.b.interfaces[0]!.connect(net.a.interfaces[0]!);
    const listener = net.b.tcp.listen({ address: 0, port: 80, backlog: 8 })!;
    const client = net.a.tcp.connect({ localAddress: A, localPort: 4, remoteAddress: B, remotePort: 80 })!;
    client.write(pattern(10_000));
    expect([listener.readyCount, other.up]).toEqual([1, true]);
    return found!;
  };
  test('is cut into segments that carry the same bytes, each with good checksums', () => {
    const frame = large(1000);
    const pieces: Uint8Array[] = [];
    expect(segmentFrame(frame, (data) => pieces.push(data.slice()) > 0)).toBe(true);
    expect(pieces.length).toBe(Math.ceil((frame.data.length - 54) / 1000));
    expect(pieces.every((data) => verifyChecksum(data) && checksumOf(data, 14, 34) === 0)).toBe(true);
    const payload = pieces.flatMap((data) => [...data.subarray(54)]);
    expect(payload).toEqual([...frame.data.subarray(54)]);
  });
  test.each([0, 1, 47])('with segments of %i bytes is refused', (gsoSize) => {
    expect(segmentFrame(large(gsoSize), () => true)).toBe(false);
  });
  test('whatever it says of itself is cut or refused, and never throws', () => {
    const frame = large(500);
    fc.assert(
      fc.property(
        fc.array(change, { maxLength: 6 }),
        fc.nat(70_000),
        fc.nat(9000),
        (changes, gsoSize, cut) => {
          const data = frame.data.slice(0, cut);
          for (const [at, to] of changes) if (at < data.length) data[at] = to;
          let count = 0;
          segmentFrame({ ...frame, data, gsoSize }, () => ++count > 0);
          expect(count).toBeLessThan(1400);
        },
      ),
    );
  });
});
