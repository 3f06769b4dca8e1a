import { _PAGE_ACCESSED, _PAGE_PRESENT, _PAGE_RW, type PagingMode } from '@domu/xen-abi';
import { FrameTable } from './frame-table.ts';
import { M2P } from './m2p.ts';
import { MachineMemory } from './machine-memory.ts';
import type { TlbFlush } from './page-type.ts';
import { DirectPaging } from './paging-direct.ts';
import { TranslatedPaging } from './paging-translated.ts';

/** Flags of ordinary entries in tests, as the domain builder writes them. */
export const RW: number = _PAGE_PRESENT | _PAGE_RW | _PAGE_ACCESSED;
export const RO: number = _PAGE_PRESENT | _PAGE_ACCESSED;
/** As `RW`, and for user accesses too. */
export const TABLE = 0x67;

/** A translation that a CPU may have kept. */
export interface CachedPage {
  readonly mfn: number;
  readonly writable: boolean;
  readonly owner: number;
}

/** A TLB that keeps every translation it is shown until a flush. */
export class RecordingTlb implements TlbFlush {
  readonly pages: Map<string, CachedPage> = new Map();
  flushes: number = 0;

  flushAll(): void {
    this.flushes++;
    this.pages.clear();
  }

  flushPage(linear: number): void {
    for (const key of this.pages.keys()) if (key.endsWith(`:${linear >>> 12}`)) this.pages.delete(key);
  }
}

/** Machine memory, frame table and M2P, as a hypervisor has them. */
export class World {
  readonly memory: MachineMemory;
  readonly tlb: RecordingTlb = new RecordingTlb();
  readonly frames: FrameTable;
  readonly m2p: M2P;

  constructor(nrFrames: number) {
    const ramBase = 2 * 4096;
    const pages = Math.ceil((ramBase + nrFrames * 4096) / 65536);
    this.memory = new MachineMemory(
      new WebAssembly.Memory({ initial: pages, maximum: pages }),
      ramBase,
      nrFrames,
    );
    this.frames = new FrameTable({ memory: this.memory, tlb: this.tlb });
    this.m2p = new M2P(this.frames);
  }

  paging(domid: number, mode: PagingMode): DirectPaging {
    const { memory, frames, m2p } = this;
    return new DirectPaging({ memory, frames, m2p, domid, mode });
  }

  alloc(domid: number, count: number): number[] {
    return Array.from({ length: count }, () => this.frames.alloc(domid));
  }

  /** Stores an entry past all checks. */
  poke(paging: DirectPaging, table: number, slot: number, mfn: number, flags: number): void {
    const index = table * 1024 + (paging.pae ? slot * 2 : slot);
    this.memory.u32[index] = mfn * 4096 + flags;
    if (paging.pae) this.memory.u32[index + 1] = 0;
  }

  peek(paging: DirectPaging, table: number, slot: number): number {
    return this.memory.u32[table * 1024 + (paging.pae ? slot * 2 : slot)];
  }

  /** @returns low word of the machine address of an entry */
  entry(paging: DirectPaging, table: number, slot: number): number {
    return table * 4096 + slot * (paging.pae ? 8 : 4);
  }
}

/** A domain with a root table on which vCPU 0 runs; linear page `i` maps frame `all[i]`, tables read-only. */
export interface TestDomain {
  readonly paging: DirectPaging;
  readonly domid: number;
  /** Every frame of the domain, in order of linear address from 0. */
  readonly all: readonly number[];
  readonly root: number;
  /** L2 tables by slot of the root (in 2-level tables the root itself). */
  readonly l2: readonly number[];
  readonly l1: number;
  /** Frames that are no tables. */
  readonly data: readonly number[];
}

/** Builds a domain of `nrData` data frames as the domain builder does, and adopts and loads its root. */
export function buildDomain(
  world: World,
  options: { domid: number; mode: PagingMode; nrData: number },
): TestDomain {
  const { domid, mode } = options;
  const paging = world.paging(domid, mode);
  const nrTables = paging.pae ? 6 : 2;
  const all = world.alloc(domid, options.nrData + nrTables);
  const data = all.slice(0, options.nrData);
  const [root, l1, ...others] = all.slice(options.nrData);
  const l2 = paging.pae ? others : [root];
  for (const [slot, table] of others.entries()) world.poke(paging, root, slot, table, RO);
  world.poke(paging, l2[0], 0, l1, TABLE);
  for (const [page, mfn] of all.entries()) world.poke(paging, l1, page, mfn, data.includes(mfn) ? RW : RO);
  for (const [page, mfn] of all.entries()) world.m2p.set(mfn, page);
  const adopted = paging.adoptBuiltRoot(root);
  const loaded = paging.newBaseptr(0, root);
  if (adopted !== 0 || loaded !== 0) throw new Error(`test domain refused: ${adopted}, ${loaded}`);
  return { paging, domid, all, root, l2, l1, data };
}

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
