import { _PAGE_PRESENT, type PagingMode } from '@domu/xen-abi';
import { TranslatedPaging } from './paging-translated.ts';
import type { World } from './testing.ts';

/** A translated domain whose pages are mapped from linear address 0, in order of gfn, for kernel and user. */
export interface TranslatedDomain {
  readonly paging: TranslatedPaging;
  readonly domid: number;
  readonly nrPages: number;
  /** Machine frame of the root table. */
  readonly root: number;
  /** Gfns of root, L1 and, in PAE, the L2. */
  readonly rootGfn: number;
  readonly l1Gfn: number;
  readonly l2Gfn: number;
}

/** Flags of an entry for everybody, neither accessed nor dirty yet. */
export const FRESH = 0x07;

/** Builds a domain with `nrData` pages of data, then its page tables, all of it mapped writable. */
export function buildTranslated(
  world: World,
  options: { domid: number; mode: PagingMode; nrData: number },
): TranslatedDomain {
  const { memory, frames, m2p } = world;
  const { domid, mode, nrData } = options;
  const paging = new TranslatedPaging({ memory, frames, m2p, domid, mode });
  const nrPages = nrData + (paging.pae ? 3 : 2);
  for (let gfn = 0; gfn < nrPages; gfn++) paging.populateFrame(gfn);
  const [rootGfn, l1Gfn] = [nrData, nrData + 1];
  const l2Gfn = paging.pae ? nrData + 2 : rootGfn;
  if (paging.pae) pokeGuest(world, paging, rootGfn, 0, { gfn: l2Gfn, flags: _PAGE_PRESENT });
  pokeGuest(world, paging, l2Gfn, 0, { gfn: l1Gfn, flags: FRESH });
  for (let gfn = 0; gfn < nrPages; gfn++) pokeGuest(world, paging, l1Gfn, gfn, { gfn, flags: FRESH });
  const root = paging.toMfn(rootGfn);
  const failed = paging.adoptBuiltRoot(rootGfn) || paging.newBaseptr(0, root);
  if (failed !== 0) throw new Error(`test domain refused: ${failed}`);
  return { paging, domid, nrPages, root, rootGfn, l1Gfn, l2Gfn };
}

/** Stores an entry into a table, as the guest does with ordinary stores. */
export function pokeGuest(
  { memory }: World,
  paging: TranslatedPaging,
  table: number,
  slot: number,
  entry: { readonly gfn: number; readonly flags: number; readonly hi?: number },
): void {
  const index = paging.toMfn(table) * 1024 + (paging.pae ? slot * 2 : slot);
  memory.u32[index] = entry.gfn * 4096 + entry.flags;
  if (paging.pae) memory.u32[index + 1] = entry.hi ?? 0;
}

/** @returns low word of an entry */
export function peekGuest({ memory }: World, paging: TranslatedPaging, table: number, slot: number): number {
  return memory.u32[paging.toMfn(table) * 1024 + (paging.pae ? slot * 2 : slot)];
}
