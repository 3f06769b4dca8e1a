import { describe, expect, test } from 'vitest';
import { runLoop } from '../../test/loop-machine.ts';
import { Exit } from '../index.ts';

const PAGE = 4096;
const LOOPS = 20_000;
const disp = (address: number): number[] => [address & 0xff, address >>> 8, 0, 0];

/** Neighbours by linear address from 0x8000 on are not neighbours in memory: even and odd pages are exchanged. */
const machineAddress = (linear: number): number => (linear >= 0x8000 ? linear ^ PAGE : linear);

/** Runs a loop of `body` until ECX is 0. */
function run(engine: 'interpreter' | 'jit', body: readonly number[], source: number): Uint8Array {
  const { ram, exit } = runLoop({
    engine,
    body,
    loops: LOOPS,
    machineAddress,
    prepare: (_, memory) => {
      for (let i = 0; i < 16; i++) memory[machineAddress(source + i)] = 0xa0 + i;
    },
  });
  expect(exit).toBe(Exit.Interrupt);
  return ram;
}

const SOURCE = 0x8ffc;
const CROSSING = 0xcffc;
const WITHIN = 0xc000;
/** movd xmm0, ecx; pshufd xmm0, xmm0, 0 */
const COUNTER = [0x66, 0x0f, 0x6e, 0xc1, 0x66, 0x0f, 0x70, 0xc0, 0];
const source = (bytes: number): number[] => Array.from({ length: bytes }, (_, i) => 0xa0 + i);
/** The counter's last value in each word. */
const lastCount = (bytes: number): number[] => Array.from({ length: bytes }, (_, i) => (i % 4 === 0 ? 1 : 0));

const ACCESSES = [
  // movdqu xmm0, [SOURCE]; movdqu [WITHIN], xmm0
  [
    'a load of 16 bytes',
    [0xf3, 0x0f, 0x6f, 0x05, ...disp(SOURCE), 0xf3, 0x0f, 0x7f, 0x05, ...disp(WITHIN)],
    WITHIN,
    source(16),
  ],
  // movq xmm1, [SOURCE]; movq [WITHIN], xmm1
  [
    'a load of 8 bytes',
    [0xf3, 0x0f, 0x7e, 0x0d, ...disp(SOURCE), 0x66, 0x0f, 0xd6, 0x0d, ...disp(WITHIN)],
    WITHIN,
    source(8),
  ],
  // movdqu [CROSSING], xmm0
  ['a store of 16 bytes', [...COUNTER, 0xf3, 0x0f, 0x7f, 0x05, ...disp(CROSSING)], CROSSING, lastCount(16)],
  // movq [CROSSING], xmm0
  ['a store of 8 bytes', [...COUNTER, 0x66, 0x0f, 0xd6, 0x05, ...disp(CROSSING)], CROSSING, lastCount(8)],
] as const;

describe.each(['interpreter', 'jit'] as const)('across two pages, %s', (engine) => {
  test.each(ACCESSES)('%s that is aligned to 4 reaches both', (_name, body, target, wanted) => {
    const ram = run(engine, body, SOURCE);
    expect(wanted.map((_, i) => ram[machineAddress(target + i)])).toEqual(wanted);
  });
});
