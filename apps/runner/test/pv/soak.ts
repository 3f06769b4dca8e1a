import { MemoryBlockStore } from '@domu/backends';
import type { BlkfrontLimits } from '@domu/blkfront';
import { BlockWorld } from './block-world.ts';

export interface SoakOptions {
  readonly requests: number;
  /** How often the backend is torn down in between. */
  readonly reconnections: number;
  readonly seed: number;
  readonly limits?: Partial<BlkfrontLimits>;
}

const SECTORS = 8192;
const MAX_SECTORS = 160;
const IN_FLIGHT = 24;

/**
 * Reads and writes of random sizes in random order against a model of the disk; every byte is compared. Requests that are
 * under way together touch different sectors, since what overlapping ones do is not defined.
 * Throws at the first difference. @returns what stayed behind, and what the frontend counted
 */
export function soak({ requests, reconnections, seed, limits }: SoakOptions): {
  remains: readonly number[];
  requeued: number;
  connections: number;
} {
  const random = generator(seed);
  const world = new BlockWorld();
  const disk = new MemoryBlockStore(new Uint8Array(SECTORS * 512));
  const model = new Uint8Array(SECTORS * 512);
  world.plug();
  world.startBack(disk);
  const front = world.startFront(limits);
  const busy = new Uint8Array(SECTORS);
  let [begun, finished] = [0, 0];
  const begin = (): void => {
    const count = 1 + (random() % (random() % 4 === 0 ? MAX_SECTORS : 16));
    const sector = random() % (SECTORS - count);
    if (busy.subarray(sector, sector + count).includes(1)) return;
    busy.fill(1, sector, sector + count);
    begun++;
    const bytes = new Uint8Array(count * 512);
    const end = (status: number): void => {
      if (status !== 0) throw new Error(`request at sector ${sector}: ${status}`);
      busy.fill(0, sector, sector + count);
      finished++;
    };
    if (random() % 2 === 0) {
      const fill = random();
      for (let i = 0; i < bytes.length; i += 16) bytes[i] = fill + i;
      model.set(bytes, sector * 512);
      front.write(sector, bytes, end);
    } else
      front.read(sector, bytes, (status) => {
        end(status);
        if (Buffer.compare(bytes, model.subarray(sector * 512, (sector + count) * 512)) !== 0)
          throw new Error(`sectors ${sector} to ${sector + count - 1} read wrong`);
      });
  };
  const every = Math.ceil(requests / (reconnections + 1));
  let nextTearDown = every;
  while (finished < requests) {
    for (let i = random() % IN_FLIGHT; i > 0 && begun < requests; i--) begin();
    if (random() % 3 === 0) world.settleHost();
    if (begun >= nextTearDown) {
      nextTearDown += every;
      world.back?.close();
      if (random() % 2 === 0) world.settle();
      world.startBack(disk);
      world.settle();
    }
    if (random() % 2 === 0 || begun === requests) world.settle();
  }
  if (Buffer.compare(disk.bytes, model) !== 0) throw new Error('the disk is not what was written');
  front.close(() => {});
  world.settle();
  const { requeued, connections } = front.metrics;
  return { remains: world.remains, requeued, connections };
}

/** Numbers that repeat with the seed (mulberry32). */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
}
