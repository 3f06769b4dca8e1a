import { _PAGE_ACCESSED, _PAGE_DIRTY } from '@domu/xen-abi';
import type { FrameTable } from './frame-table.ts';
import type { MachineMemory } from './machine-memory.ts';

/** What the checks of one domain's page tables work on. */
export interface TableContext {
  readonly frames: FrameTable;
  readonly memory: MachineMemory;
  readonly domid: number;
  /** true: 3-level tables of 8-byte entries; false: 2-level tables of 4-byte entries. */
  readonly pae: boolean;
  /** First slot of an L2 table that is Xen's: in PAE of the L2 in slot 3 of an L3 only, in 2-level tables of each. */
  readonly firstXenL2Slot: number;
}

/** @returns index in `memory.u32` of an entry's low word */
export function entryIndex(ctx: TableContext, mfn: number, slot: number): number {
  return mfn * 1024 + (ctx.pae ? slot << 1 : slot);
}

/** @returns slots of a table page */
export function nrEntries(ctx: TableContext): number {
  return ctx.pae ? 512 : 1024;
}

/** @returns the high word of the entry whose low word is at `index` */
export function readHi(ctx: TableContext, index: number): number {
  return ctx.pae ? ctx.memory.u32[index + 1] : 0;
}

/** Stores an entry. With `preserveAd` the A and D bits of the old one stay set. */
export function writeEntry(
  ctx: TableContext,
  index: number,
  lo: number,
  hi: number,
  preserveAd: boolean,
): void {
  const u32 = ctx.memory.u32;
  u32[index] = preserveAd ? lo | (u32[index] & (_PAGE_ACCESSED | _PAGE_DIRTY)) : lo;
  if (ctx.pae) u32[index + 1] = hi;
}
