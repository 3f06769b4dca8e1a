import type { Insn } from '../decode/index.ts';
import type { Place, RegionShape } from './block.ts';

/** What an instruction does to the x87 stack in compiled code: positions that it names, and how it moves TOP. */
export interface X87Effect {
  readonly touched: number;
  readonly turn: number;
}

const FIRST_ESCAPE = 0xd8;
const LAST_ESCAPE = 0xdf;
const WAIT = 0x9b;

export const isX87 = ({ row }: Insn): boolean =>
  (row.opcode >= FIRST_ESCAPE && row.opcode <= LAST_ESCAPE) || row.opcode === WAIT;

export function usesX87(shape: RegionShape): boolean {
  for (const { insns } of shape.blocks.values()) if (insns.some(({ insn }) => isX87(insn))) return true;
  return false;
}

/** Depth of the stack at the start of each block, as the first way there has it, and the positions in use. */
export interface X87Flow {
  readonly depths: ReadonlyMap<Place, number>;
  readonly used: number;
}

/** @param effectOf null for what the general interpreter runs: after it the depth is by definition what it was */
export function x87Flow(shape: RegionShape, effectOf: (insn: Insn) => X87Effect | null): X87Flow {
  const depths = new Map<Place, number>([[shape.entry, 0]]);
  let used = 0;
  const work: Place[] = [shape.entry];
  for (let place = work.pop(); place !== undefined; place = work.pop()) {
    let depth = depths.get(place) ?? 0;
    const block = shape.blocks.get(place);
    for (const { insn } of block?.insns ?? []) {
      const effect = isX87(insn) ? effectOf(insn) : null;
      if (!effect) continue;
      used |= rotate(effect.touched, depth);
      depth = (depth + effect.turn) & 7;
    }
    for (const next of block?.successors ?? []) {
      if (depths.has(next)) continue;
      depths.set(next, depth);
      work.push(next);
    }
  }
  return { depths, used };
}

const rotate = (mask: number, by: number): number => ((mask << by) | (mask >> (8 - by))) & 0xff;
