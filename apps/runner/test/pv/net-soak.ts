import { VirtualSwitch } from '@domu/backends';
import { checkFrame, NetWorld, Station, testFrame } from './net-world.ts';

export interface NetSoakOptions {
  /** Frames in each direction. */
  readonly frames: number;
  /** How often the backend is torn down in between. */
  readonly reconnections: number;
  readonly seed: number;
  readonly queues?: number;
}

/**
 * Frames of random sizes in random bursts both ways; every byte is compared, and the order of what arrives. Frames are lost
 * only when the backend is torn down under them.
 * Throws at the first difference. @returns what stayed behind, how many frames arrived, and what the frontend counted
 */
export function netSoak({ frames, reconnections, seed, queues = 1 }: NetSoakOptions): {
  remains: readonly number[];
  arrived: number;
  lost: number;
  connections: number;
} {
  const random = generator(seed);
  const network = new VirtualSwitch();
  const world = new NetWorld();
  const front = world.connect(network, { queues });
  const [guest, other] = [new Station(front), new Station(network)];
  const ends = [guest, other].map((station) => ({ station, sent: 0, last: -1, arrived: 0 }));
  for (const end of ends)
    end.station.onFrame = ({ data }) => {
      const got = checkFrame(data);
      if (got <= end.last) throw new Error(`frame ${got} after ${end.last}`);
      end.last = got;
      end.arrived++;
    };
  const every = Math.ceil(frames / (reconnections + 1));
  let nextTearDown = every;
  while (ends.some(({ sent }) => sent < frames)) {
    for (const [i, end] of ends.entries()) {
      for (let burst = random() % 64; burst > 0 && end.sent < frames; burst--) {
        const lengthBytes = random() % 32 === 0 ? random() % 65536 : 20 + (random() % 1500);
        end.station.send(testFrame(2 - i, 1 + i, lengthBytes, end.sent++));
      }
      if (random() % 3 === 0) world.settleHost();
    }
    if (ends[0].sent >= nextTearDown) {
      nextTearDown += every;
      world.back?.close();
      if (random() % 2 === 0) world.settle();
      world.startBack(network);
    }
    world.settle();
  }
  front.close(() => {});
  world.settle();
  const arrived = ends.reduce((sum, end) => sum + end.arrived, 0);
  const { connections } = front.metrics;
  return { remains: world.remains, arrived, lost: 2 * frames - arrived, connections };
}

/** Numbers from 0 to 2^32 - 1 that a seed repeats. */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state ^ (state >>> 15)) >>> 0;
  };
}
