import { _PAGE_PRESENT, _PAGE_RW, DOMID_INVALID, DOMID_XEN } from '@domu/xen-abi';
import type { FrameTable } from './frame-table.ts';
import {
  type PageType,
  PGT_l1_page_table,
  PGT_l2_page_table,
  PGT_l3_page_table,
  PGT_pae_xen_l2,
  PGT_writable_page,
} from './page-type.ts';
import { pteMfn } from './pte.ts';
import { entryIndex, readHi, type TableContext } from './table-context.ts';
import { guestL2Slots } from './validate-l2.ts';

/** A reference that somebody outside the page tables holds: a vCPU's root, a GDT frame, a mapped record. */
export interface HeldReference {
  readonly mfn: number;
  /** The type held as well, or -1: the frame only. */
  readonly type: PageType;
}

/** What `checkInvariants` cannot see in the frame table itself. */
export interface OutsideView {
  readonly domains: readonly TableContext[];
  readonly held: readonly HeldReference[];
  /** @returns whether `domid` may have `mfn`, another domain's frame, in its tables (it was granted) */
  readonly isGranted: (domid: number, mfn: number) => boolean;
}

const NR_TYPES = 8;

/** References counted by looking at every table, pin and holder. */
class Expected {
  readonly frames: FrameTable;
  readonly refs: Int32Array;
  readonly uses: Int32Array;
  readonly linear: Int32Array;
  /** L3 tables that have the frame in slot 3. */
  readonly xenL2s: Uint8Array;
  readonly problems: string[] = [];

  constructor(frames: FrameTable) {
    this.frames = frames;
    this.refs = new Int32Array(frames.nrFrames);
    this.uses = new Int32Array(frames.nrFrames * NR_TYPES);
    this.linear = new Int32Array(frames.nrFrames);
    this.xenL2s = new Uint8Array(frames.nrFrames);
  }

  /** Counts a reference, and a use as `type` unless it is -1. @returns false when there is no such frame */
  add(mfn: number, type: PageType, from: number): boolean {
    if (!this.frames.isValid(mfn)) {
      this.problems.push(`frame ${from} names frame ${mfn}, which does not exist`);
      return false;
    }
    this.refs[mfn]++;
    if (type >= 0) this.uses[mfn * NR_TYPES + type]++;
    return true;
  }

  usesOf(mfn: number): number {
    let sum = 0;
    for (let type = 0; type < NR_TYPES; type++) sum += this.uses[mfn * NR_TYPES + type];
    return sum;
  }
}

/** Calls `visit` for each entry that is not zero. */
function forEachEntry(
  ctx: TableContext,
  table: number,
  visit: (slot: number, lo: number, mfn: number) => void,
): void {
  const { u32 } = ctx.memory;
  const shift = ctx.pae ? 1 : 0;
  const first = table * 1024;
  for (let index = first; index < first + 1024; index += 1 << shift) {
    const lo = u32[index];
    if (lo !== 0) visit((index - first) >> shift, lo, pteMfn(lo, readHi(ctx, index)));
  }
}

function countL1(expected: Expected, ctx: TableContext, table: number, view: OutsideView): void {
  forEachEntry(ctx, table, (slot, lo, mfn) => {
    if (!(lo & _PAGE_PRESENT) || !expected.add(mfn, lo & _PAGE_RW ? PGT_writable_page : -1, table)) return;
    const owner = ctx.frames.owner(mfn);
    if (owner === ctx.domid || view.isGranted(ctx.domid, mfn)) return;
    expected.problems.push(`L1 ${table}[${slot}] of domain ${ctx.domid} maps frame ${mfn} of ${owner}`);
  });
}

function countL2(expected: Expected, ctx: TableContext, table: number): void {
  const guestSlots = guestL2Slots(ctx, ctx.frames.isPaeXenL2(table) ? PGT_pae_xen_l2 : 0);
  forEachEntry(ctx, table, (slot, lo, mfn) => {
    if (slot >= guestSlots) expected.problems.push(`L2 ${table}[${slot}] is Xen's and holds ${lo}`);
    if (!(lo & _PAGE_PRESENT)) return;
    const linear = ctx.frames.isValid(mfn) && ctx.frames.type(mfn) === PGT_l2_page_table;
    if (linear && lo & _PAGE_RW)
      expected.problems.push(`L2 ${table}[${slot}] is a writable linear page table`);
    if (mfn === table) return;
    expected.add(mfn, linear ? PGT_l2_page_table : PGT_l1_page_table, table);
    if (!linear) return;
    expected.linear[table]++;
    expected.linear[mfn]--;
  });
}

function countL3(expected: Expected, ctx: TableContext, table: number): void {
  if (!(ctx.memory.u32[entryIndex(ctx, table, 3)] & _PAGE_PRESENT))
    expected.problems.push(`L3 ${table}[3] is empty`);
  forEachEntry(ctx, table, (slot, lo, mfn) => {
    if (slot > 3) expected.problems.push(`L3 ${table}[${slot}] is not empty`);
    if (!(lo & _PAGE_PRESENT) || !expected.add(mfn, PGT_l2_page_table, table)) return;
    if (slot === 3) expected.xenL2s[mfn]++;
    if (ctx.frames.isPaeXenL2(mfn) !== (slot === 3)) {
      expected.problems.push(`L3 ${table}[${slot}]: wrong kind of L2 table`);
    }
  });
}

function compare(expected: Expected, mfn: number): void {
  const { frames, problems } = expected;
  const type = frames.type(mfn);
  const count = frames.typeCount(mfn);
  if (frames.refcount(mfn) !== expected.refs[mfn]) {
    problems.push(`frame ${mfn}: reference count ${frames.refcount(mfn)}, found ${expected.refs[mfn]}`);
  }
  if (count !== expected.usesOf(mfn) || count !== expected.uses[mfn * NR_TYPES + type]) {
    const found = [...expected.uses.subarray(mfn * NR_TYPES, (mfn + 1) * NR_TYPES)].join();
    problems.push(`frame ${mfn}: type ${type} count ${count}, found by type ${found}`);
  }
  if (count > 0 && !frames.isValidated(mfn)) problems.push(`frame ${mfn}: in use, not validated`);
  if (count > 0 && type === PGT_l2_page_table && frames.linearCount(mfn) !== expected.linear[mfn]) {
    problems.push(`frame ${mfn}: linear count ${frames.linearCount(mfn)}, found ${expected.linear[mfn]}`);
  }
  if (expected.xenL2s[mfn] > 1) problems.push(`L2 ${mfn} stands in slot 3 of several L3 tables`);
  const free = frames.refcount(mfn) === 0;
  if (frames.isFree(mfn) !== free) problems.push(`frame ${mfn}: count and free set disagree`);
  if ((frames.owner(mfn) === DOMID_INVALID) !== free)
    problems.push(`frame ${mfn}: free, but owned, or not free`);
  if (frames.owner(mfn) === DOMID_XEN && count !== 0) problems.push(`frame ${mfn}: Xen's own, mapped`);
}

/**
 * Recounts every reference and use from the tables themselves and compares with the frame table. For tests; slow.
 * @returns what is wrong, in words; empty when all is well
 */
export function checkInvariants(frames: FrameTable, view: OutsideView): readonly string[] {
  const expected = new Expected(frames);
  const contexts = new Map(view.domains.map((ctx) => [ctx.domid, ctx]));
  const totals = new Map<number, number>();
  for (let mfn = 0; mfn < frames.nrFrames; mfn++) {
    const owner = frames.owner(mfn);
    const type = frames.type(mfn);
    if (mfn === 0 || frames.isAllocated(mfn)) expected.refs[mfn]++;
    if (frames.isXenHeap(mfn)) expected.uses[mfn * NR_TYPES + type]++;
    else if (owner !== DOMID_XEN) totals.set(owner, (totals.get(owner) ?? 0) + 1);
    if (frames.isPinned(mfn)) expected.add(mfn, type, mfn);
    const ctx = contexts.get(owner);
    if (frames.typeCount(mfn) === 0 || ctx === undefined) continue;
    if (type === PGT_l1_page_table) countL1(expected, ctx, mfn, view);
    if (type === PGT_l2_page_table) countL2(expected, ctx, mfn);
    if (type === PGT_l3_page_table) countL3(expected, ctx, mfn);
  }
  for (const { mfn, type } of view.held) expected.add(mfn, type, mfn);
  for (let mfn = 0; mfn < frames.nrFrames; mfn++) compare(expected, mfn);
  for (const { domid } of view.domains) {
    const total = totals.get(domid) ?? 0;
    if (frames.totPages(domid) !== total) {
      expected.problems.push(`domain ${domid}: ${frames.totPages(domid)} pages, found ${total}`);
    }
  }
  return expected.problems;
}
