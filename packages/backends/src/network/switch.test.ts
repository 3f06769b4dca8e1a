import type { AttachedPort, EthernetPort, Frame, Offloads } from '@domu/netstack';
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { VirtualSwitch } from './switch.ts';

const ALL: Offloads = { checksum: true, tcpv4: true, tcpv6: true };
const BROADCAST = 0xffff_ffff_ffff;

class Nic implements EthernetPort {
  readonly offloads: Offloads = ALL;
  readonly got: number[] = [];
  room: number = Number.POSITIVE_INFINITY;
  readonly port: AttachedPort;

  constructor(network: VirtualSwitch) {
    this.port = network.attach(this);
  }

  transmit({ data }: Frame): boolean {
    if (this.room === 0) return false;
    this.room--;
    this.got.push(data[14]);
    return true;
  }

  resume(): void {}

  send(from: number, to: number, tag: number, lengthBytes = 60): boolean {
    const data = new Uint8Array(lengthBytes);
    const view = new DataView(data.buffer);
    for (const [at, address] of [
      [0, to],
      [6, from],
    ]) {
      view.setUint16(at, Math.floor(address / 2 ** 32));
      view.setUint32(at + 2, address % 2 ** 32);
    }
    data[14] = tag;
    return this.port.transmit({ data, checksum: 'present', gsoSize: 0, gsoType: 'tcpv4' });
  }
}

let network: VirtualSwitch;
let a: Nic;
let b: Nic;
let c: Nic;

beforeEach(() => {
  network = new VirtualSwitch();
  [a, b, c] = [new Nic(network), new Nic(network), new Nic(network)];
});

describe('forwarding', () => {
  test('to a station whose port is unknown goes to all others, then to its port alone', () => {
    a.send(0x10, 0x20, 1);
    expect([a.got, b.got, c.got]).toEqual([[], [1], [1]]);
    b.send(0x20, 0x10, 2);
    a.send(0x10, 0x20, 3);
    expect([a.got, b.got, c.got]).toEqual([[2], [1, 3], [1]]);
  });

  test('to a group goes to all others', () => {
    a.send(0x10, BROADCAST, 1);
    c.send(0x30, 0x0100_5e00_0001, 2);
    expect([a.got, b.got, c.got]).toEqual([[2], [1, 2], [1]]);
  });

  test('never back to where it came from', () => {
    a.send(0x10, BROADCAST, 1);
    a.send(0x11, 0x10, 2);
    expect([a.got, b.got, c.got]).toEqual([[], [1], [1]]);
  });

  test('follows a station that moves', () => {
    a.send(0x10, BROADCAST, 1);
    b.send(0x10, BROADCAST, 2);
    c.send(0x30, 0x10, 3);
    expect([a.got, b.got]).toEqual([[2], [1, 3]]);
  });

  test('a group address is nobody’s place, and a fragment of a frame goes nowhere', () => {
    a.send(BROADCAST, 0x20, 1);
    expect(network.nrStations).toBe(0);
    a.port.transmit({ data: new Uint8Array(13), checksum: 'present', gsoSize: 0, gsoType: 'tcpv4' });
    expect(b.got).toEqual([1]);
  });
});

describe('hostile and slow ports', () => {
  test('who claims many stations keeps the last of them, and the others theirs', () => {
    b.send(0x20, BROADCAST, 0);
    for (let i = 0; i < 5000; i++) a.send(0x1000 + 2 * i, BROADCAST, 1);
    expect(network.nrStations).toBe(65);
    const before = c.got.length;
    c.send(0x30, 0x20, 9);
    expect([c.got.length, b.got.at(-1), a.got.at(-1)]).toEqual([before, 9, 0]);
  });

  test('frames for a port without room wait in order and hold up nobody', () => {
    b.send(0x20, BROADCAST, 0);
    b.room = 2;
    for (let tag = 1; tag <= 5; tag++) expect(a.send(0x10, 0x20, tag)).toBe(true);
    a.send(0x10, BROADCAST, 6);
    expect(b.got).toEqual([1, 2]);
    expect(c.got).toEqual([0, 6]);
    b.room = 3;
    b.port.resume();
    expect(b.got).toEqual([1, 2, 3, 4, 5]);
    b.room = 5;
    b.port.resume();
    a.send(0x10, 0x20, 7);
    expect(b.got).toEqual([1, 2, 3, 4, 5, 6, 7]);
  });

  test('the queue of a port that takes nothing is bounded', () => {
    b.room = 0;
    for (let i = 0; i < 2000; i++) a.send(0x10, BROADCAST, 1, 60000);
    expect(network.metrics.dropped).toBeGreaterThan(1900);
    b.room = Number.POSITIVE_INFINITY;
    b.port.resume();
    expect(b.got.length + network.metrics.dropped).toBe(2000);
  });

  test('a port that was closed gets nothing, sends nothing and is forgotten', () => {
    a.send(0x10, BROADCAST, 1);
    a.port.close();
    a.port.close();
    expect([network.nrStations, a.send(0x10, BROADCAST, 2)]).toEqual([0, true]);
    b.send(0x20, 0x10, 3);
    expect([a.got, c.got]).toEqual([[], [1, 3]]);
  });
});

test('every frame reaches its station exactly once, whatever was learnt before', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(2), fc.nat(5), fc.nat(5)), { maxLength: 60 }), (frames) => {
      network = new VirtualSwitch();
      const nics = [new Nic(network), new Nic(network), new Nic(network)];
      // Stations 2k and 2k+1 are at port k.
      for (const [tag, [, source, target]] of frames.entries()) {
        const [from, to] = [nics[source >> 1], nics[target >> 1]];
        from.send(2 * source, 2 * target, tag);
        for (const nic of nics) {
          const copies = nic.got.filter((got) => got === tag).length;
          if (nic === from) expect(copies).toBe(0);
          else if (nic === to) expect(copies).toBe(1);
          else expect(copies).toBeLessThanOrEqual(1);
        }
      }
    }),
    { numRuns: 50, seed: 1 },
  );
});
