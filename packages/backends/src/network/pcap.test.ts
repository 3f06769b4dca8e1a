import { expect, test } from 'vitest';
import { frameOf, plainFrame, TestNetwork } from '../netback/testing.ts';
import { capturedNetwork, PcapWriter } from './pcap.ts';

test('a capture holds what passed in both directions, once, in the order of passing', () => {
  const chunks: Uint8Array[] = [];
  const time = { seconds: 1_700_000_000, nanoseconds: 999_999_999 };
  const pcap = new PcapWriter({ write: (bytes) => chunks.push(bytes), now: () => time });
  const network = new TestNetwork();
  const toNic: number[] = [];
  const port = capturedNetwork(network, pcap).attach({
    offloads: network.offloads,
    transmit: ({ data }) => {
      toNic.push(data.length);
      return true;
    },
    resume: () => {},
  });
  network.room = 0;
  expect(port.transmit(plainFrame(frameOf(60)))).toBe(false);
  network.room = 1;
  expect(port.transmit(plainFrame(frameOf(60)))).toBe(true);
  network.nic?.transmit(plainFrame(frameOf(9000, 3)));
  expect([network.frames.length, toNic]).toEqual([1, [9000]]);

  const header = new DataView(chunks[0].buffer);
  expect([0, 4, 16, 20].map((at) => header.getUint32(at, true))).toEqual([
    0xa1b23c4d, 0x0004_0002, 262144, 1,
  ]);
  expect(chunks.slice(1).map((record) => record.length)).toEqual([76, 9016]);
  const record = new DataView(chunks[2].buffer);
  expect([0, 4, 8, 12].map((at) => record.getUint32(at, true))).toEqual([
    time.seconds,
    time.nanoseconds,
    9000,
    9000,
  ]);
  expect(chunks[2].subarray(16)).toEqual(frameOf(9000, 3));
  port.close();
  expect(network.nic).toBeNull();
});

test('an answer from inside of the asking stands behind the question', () => {
  const lengths: number[] = [];
  const pcap = new PcapWriter({
    write: (bytes) => lengths.push(bytes.length - 16),
    now: () => ({ seconds: 0, nanoseconds: 0 }),
  });
  const network = new TestNetwork();
  const port = capturedNetwork(network, pcap).attach({
    offloads: network.offloads,
    transmit: ({ data }) => data.length !== 99,
    resume: () => {},
  });
  network.onFrame = () => {
    network.nic?.transmit(plainFrame(frameOf(98)));
    network.nic?.transmit(plainFrame(frameOf(99)));
  };
  port.transmit(plainFrame(frameOf(60)));
  expect(lengths.slice(1)).toEqual([60, 98]);
});
