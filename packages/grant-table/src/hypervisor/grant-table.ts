import {
  GNTMAP_readonly,
  GNTST_general_error,
  GNTST_okay,
  GTF_permit_access,
  GTF_reading,
  GTF_readonly,
  GTF_sub_page,
  GTF_type_mask,
  GTF_writing,
  XEN_EINVAL,
  XEN_ENOSYS,
} from '@domu/xen-abi';
import { ActiveEntry, pinsOf } from './active-entry.ts';
import { dropFrameRefs } from './frame-refs.ts';
import type { GrantFrames } from './frames.ts';
import { Maptrack } from './maptrack.ts';

/** What a domain's grant table needs to know of the world. */
export interface GrantTableOptions {
  readonly domid: number;
  /** Most frames of grant entries (xl's `max_grant_frames`). */
  readonly maxFrames: number;
  /** Most frames of handles (xl's `max_maptrack_frames`). Default 1024. */
  readonly maxMaptrackFrames?: number;
  readonly frames: GrantFrames;
  /** @returns the table of a living domain, or undefined */
  readonly peers: (domid: number) => GrantTable | undefined;
}

const ENTRIES_PER_FRAME = 512; // sizeof(struct grant_entry_v1) is 8
const ENTRY_WORDS = 2;

/**
 * A domain's grants: the entries that it shares with Xen (version 1), what Xen holds of those in use, and the handles of
 * the domain's own mappings of other domains' grants. The operations on them are in map-ops.ts and copy-op.ts.
 *
 * Invariants: an active entry's pins = the live handles that name it (plus copies under way) · a frame stays referenced
 * while pinned · GTF_reading and GTF_writing in the shared entry follow the pins.
 * Source: xen/common/grant_table.c @ RELEASE-4.18.0
 */
export class GrantTable {
  readonly domid: number;
  readonly maxFrames: number;
  readonly frames: GrantFrames;
  readonly peers: (domid: number) => GrantTable | undefined;
  readonly maptrack: Maptrack;
  private readonly sharedFrames: number[] = [];
  private readonly activeEntries: Map<number, ActiveEntry> = new Map();
  private dying = false;

  constructor(options: GrantTableOptions) {
    this.domid = options.domid;
    this.maxFrames = options.maxFrames;
    this.frames = options.frames;
    this.peers = options.peers;
    this.maptrack = new Maptrack(options.maxMaptrackFrames ?? 1024);
    this.grow(1);
  }

  /** The entry format in use: 1. */
  get version(): number {
    return 1;
  }

  get nrFrames(): number {
    return this.sharedFrames.length;
  }

  /** Number of grant references; valid ones are below it. */
  get nrEntries(): number {
    return this.sharedFrames.length * ENTRIES_PER_FRAME;
  }

  /**
   * GNTTABOP_setup_table: has at least `nrFrames` frames, and never fewer than before.
   * @returns GNTST_okay, or GNTST_general_error beyond the maximum or without memory
   */
  grow(nrFrames: number): number {
    if (nrFrames > this.maxFrames || this.dying) return GNTST_general_error;
    while (this.sharedFrames.length < nrFrames) {
      const mfn = this.frames.allocShared(this.domid);
      if (mfn < 0) return GNTST_general_error;
      this.sharedFrames.push(mfn);
    }
    return GNTST_okay;
  }

  /** @returns the machine frame that holds entries 512*index and up, or -1 */
  sharedFrame(index: number): number {
    return this.sharedFrames[index] ?? -1;
  }

  /** GNTTABOP_set_version. @returns 0 for the version in use, -ENOSYS for 2, -EINVAL for others */
  setVersion(version: number): number {
    if (version !== 1 && version !== 2) return -XEN_EINVAL;
    return version === 1 ? 0 : -XEN_ENOSYS;
  }

  /** Fills entry `ref` before the domain runs, as the domain builder does for the console and xenstore pages. */
  preset(
    ref: number,
    grant: { readonly domid: number; readonly gfn: number; readonly readonly?: boolean },
  ): void {
    const word = this.entryWord(ref);
    if (word < 0) throw new Error(`preset of grant ${ref}, table has ${this.nrEntries} entries`);
    this.frames.u32[word + 1] = grant.gfn;
    const flags = GTF_permit_access | (grant.readonly ? GTF_readonly : 0);
    this.frames.u32[word] = flags | (grant.domid << 16);
  }

  /** @returns what Xen holds of `ref`; made on first use */
  active(ref: number): ActiveEntry {
    let entry = this.activeEntries.get(ref);
    if (entry === undefined) {
      entry = new ActiveEntry();
      this.activeEntries.set(ref, entry);
    }
    return entry;
  }

  /**
   * Checks the shared entry and marks it as being read, or read and written.
   * @param forMap a mapping covers the whole page, so it refuses a sub-page grant
   * @returns GNTST_okay, or GNTST_general_error; the entry is then unchanged
   */
  setStatus(ref: number, options: { holder: number; readonly: boolean; forMap: boolean }): number {
    const word = this.entryWord(ref);
    const shared = this.frames.u32[word];
    const mask = GTF_type_mask | (options.forMap ? GTF_sub_page : 0);
    const wrong = (shared & mask) !== GTF_permit_access || shared >>> 16 !== options.holder;
    if (!this.active(ref).pinned && wrong) return GNTST_general_error;
    if (!options.readonly && (shared & GTF_readonly) !== 0) return GNTST_general_error;
    this.frames.u32[word] = shared | GTF_reading | (options.readonly ? 0 : GTF_writing);
    return GNTST_okay;
  }

  /** Clears GTF_reading and GTF_writing as far as the remaining pins allow. @param readonly the pin that went was a reader's */
  reduceStatus(ref: number, readonly: boolean): void {
    const active = this.active(ref);
    let clear = active.pinned ? 0 : GTF_reading;
    if (!readonly && !active.pinnedForWriting) clear |= GTF_writing;
    this.frames.u32[this.entryWord(ref)] &= ~clear;
    if (!active.pinned) {
      this.activeEntries.delete(ref);
      if (this.dying) this.freeWhenUnused();
    }
  }

  /** The frame number in the shared entry, as the domain wrote it. */
  sharedGfn(ref: number): number {
    return this.frames.u32[this.entryWord(ref) + 1];
  }

  /**
   * The domain goes away. Its own mappings are given back; what its page-table entries hold goes with the tables. Its
   * entries outlive it until the last holder unmaps.
   */
  destroy(): void {
    this.dying = true;
    for (const [handle, mapping] of this.maptrack.live()) {
      const { grantor, ref, flags } = mapping;
      const active = grantor.active(ref);
      dropFrameRefs(this.frames, active.mfn, pinsOf(flags));
      active.drop(pinsOf(flags));
      this.maptrack.remove(handle);
      grantor.reduceStatus(ref, (flags & GNTMAP_readonly) !== 0);
    }
    this.freeWhenUnused();
  }

  /** Throws when pins and handles disagree: a bug of ours, whatever the guests did. For tests. @param all every table there is */
  checkInvariants(all: readonly GrantTable[]): void {
    const held = new Map<number, { [kind: string]: number }>();
    for (const holder of all) {
      for (const [handle, mapping] of holder.maptrack.live()) {
        const kinds = pinsOf(mapping.flags);
        if (kinds.length === 0) throw new Error(`d${holder.domid} handle ${handle}: live, but maps nothing`);
        if (mapping.grantor !== this) continue;
        if (this.active(mapping.ref).domid !== holder.domid)
          throw new Error(`d${this.domid} ref ${mapping.ref}: not the holder's`);
        const counts = held.get(mapping.ref) ?? { hstw: 0, hstr: 0, devw: 0, devr: 0 };
        for (const kind of kinds) counts[kind]++;
        held.set(mapping.ref, counts);
      }
    }
    for (const [ref, active] of this.activeEntries) {
      const expected = held.get(ref) ?? { hstw: 0, hstr: 0, devw: 0, devr: 0 };
      for (const [kind, count] of Object.entries(active.counts)) {
        if (count !== expected[kind])
          throw new Error(`d${this.domid} ref ${ref}: ${kind} ${count}, handles ${expected[kind]}`);
      }
    }
  }

  /** Index into u32 of entry `ref`, or -1 beyond the table. */
  private entryWord(ref: number): number {
    const mfn = this.sharedFrames[Math.floor(ref / ENTRIES_PER_FRAME)];
    return mfn === undefined ? -1 : mfn * 1024 + (ref % ENTRIES_PER_FRAME) * ENTRY_WORDS;
  }

  private freeWhenUnused(): void {
    for (const active of this.activeEntries.values()) if (active.pinned) return;
    for (const mfn of this.sharedFrames.splice(0)) this.frames.freeShared(mfn);
    this.activeEntries.clear();
  }
}
