import type { Assembled } from '@domu/testkit';
import type { Step } from './call.ts';
import { generate, type Shape } from './generate.ts';
import type { GuestMode } from './guest.ts';
import type { Setup } from './run.ts';

const DIRECT: GuestMode = { paging: 'pae', translated: false };
const TRANSLATED: GuestMode = { paging: 'classic', translated: true };
const TRANSLATED_PAE: GuestMode = { paging: 'pae', translated: true };
const DIRECT_CLASSIC: GuestMode = { paging: 'classic', translated: false };
const MODES: readonly (readonly GuestMode[])[] = [
  [DIRECT, TRANSLATED],
  [DIRECT, DIRECT],
  [TRANSLATED, TRANSLATED_PAE],
  [DIRECT_CLASSIC, TRANSLATED],
];
const SHAPE: Shape = { batches: 24, guests: 2, vcpus: 4, calls: 56 };

/** Number `index` of the runs of a seed: which machine, and what its guests do. Seed and index say all. */
export function epoch(
  seed: number,
  index: number,
  loops: readonly Assembled[],
): { readonly setup: Setup; readonly steps: Step[] } {
  return {
    setup: { modes: MODES[index % MODES.length], engine: index % 5 === 4 ? 'jit' : 'interpreter', loops },
    steps: generate(Math.imul(seed, 0x9e37_79b1) + index, SHAPE),
  };
}
