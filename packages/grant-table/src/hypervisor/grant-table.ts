import {
  GNTMAP_readonly,
  GNTST_general_error,
  GNTST_okay,
  GTF_permit_access,
  GTF_reading,
  GTF_readonly,
  GTF_writing,
} from '@domu/xen-abi';
import { ActiveEntry, pinsOf } from './active-entry.ts';
import { dropFrameRefs } from './frame-refs.ts';
import type { GrantFrames } from './frames.ts';
import { Maptrack } from './maptrack.ts';
import { type EntryUse, type GrantVersion, SharedEntries } from './shared-entries.ts';

/** What a domain's grant table needs to know of the world. */
export interface GrantTableOptions {
  readonly domid: number;
  /** Most frames of grant entries (xl's `max_grant_frames`). */
  readonly maxFrames: number;
  /** Most frames of handles (xl's `max_maptrack_frames`). Default 1024. */
  readonly maxMaptrackFrames?: number;
  /** Highest entry format that the domain may choose (xl's `max_grant_version`). Default 2. */
  readonly maxVersion?: GrantVersion;
  readonly frames: GrantFrames;
  /** @returns the table of a living domain, or undefined */
  readonly peers: (domid: number) => GrantTable | undefined;
}

/**
 * A domain's grants: the entries that it shares with Xen, what Xen holds of those in use, and the handles of the domain's
 * own mappings of other domains' grants. The operations on them are in map-ops.ts, copy-op.ts, transfer-op.ts, version-op.ts
 * and entry-ops.ts.
 *
 * Invariants: an active entry's pins = the live handles that name it (plus copies under way) · a frame stays referenced
 * while pinned · the reading and writing bits that the domain sees follow the pins.
 * Source: xen/common/grant_table.c @ RELEASE-4.18.0
 */
export class GrantTable {
  readonly domid: number;
  readonly maxFrames: number;
  readonly maxVersion: GrantVersion;
  readonly frames: GrantFrames;
  readonly peers: (domid: number) => GrantTable | undefined;
  readonly maptrack: Maptrack;
  readonly entries: SharedEntries;
  private readonly activeEntries: Map<number, ActiveEntry> = new Map();
  private dying = false;

  constructor(options: GrantTableOptions) {
    this.domid = options.domid;
    this.maxFrames = options.maxFrames;
    this.maxVersion = options.maxVersion ?? 2;
    this.frames = options.frames;
    this.peers = options.peers;
    this.maptrack = new Maptrack(options.maxMaptrackFrames ?? 1024);
    this.entries = new SharedEntries(options.frames);
    this.grow(1);
  }

  /** The entry format in use. */
  get version(): GrantVersion {
    return this.entries.version;
  }

  get nrFrames(): number {
    return this.entries.frames.length;
  }

  get nrStatusFrames(): number {
    return this.entries.statusFrames.length;
  }

  /** Number of grant references; valid ones are below it. */
  get nrEntries(): number {
    return this.entries.nrEntries;
  }

  /**
   * GNTTABOP_setup_table: has at least `nrFrames` frames, and never fewer than before; with version 2 entries, status
   * frames to go with them.
   * @returns GNTST_okay, or GNTST_general_error beyond the maximum or without memory: nothing has changed then
   */
  grow(nrFrames: number): number {
    if (nrFrames > this.maxFrames || this.dying) return GNTST_general_error;
    const { entries } = this;
    const more = this.allocate(nrFrames - this.nrFrames);
    if (more === null) return GNTST_general_error;
    const status =
      this.version === 2 ? this.allocate(entries.statusFramesFor(nrFrames) - this.nrStatusFrames) : [];
    if (status === null) {
      for (const mfn of more) this.frames.freeShared(mfn);
      return GNTST_general_error;
    }
    entries.frames.push(...more);
    entries.statusFrames.push(...status);
    return GNTST_okay;
  }

  /** @returns `count` zeroed frames to share with the domain, or null when there are not so many */
  allocate(count: number): number[] | null {
    const taken: number[] = [];
    while (taken.length < count) {
      const mfn = this.frames.allocShared(this.domid);
      if (mfn < 0) {
        for (const frame of taken) this.frames.freeShared(frame);
        return null;
      }
      taken.push(mfn);
    }
    return taken;
  }

  /** @returns the machine frame with number `index` of the entries, or -1 */
  sharedFrame(index: number): number {
    return this.entries.frames[index] ?? -1;
  }

  /** @returns the machine frame with number `index` of the status words, or -1 */
  statusFrame(index: number): number {
    return this.entries.statusFrames[index] ?? -1;
  }

  /** Fills entry `ref` before the domain runs, as the domain builder does for the console and xenstore pages. */
  preset(
    ref: number,
    grant: { readonly domid: number; readonly gfn: number; readonly readonly?: boolean },
  ): void {
    if (ref >= this.nrEntries) throw new Error(`preset of grant ${ref}, table has ${this.nrEntries} entries`);
    this.entries.setGfn(ref, grant.gfn);
    const flags = GTF_permit_access | (grant.readonly ? GTF_readonly : 0);
    this.entries.setHeader(ref, (flags | (grant.domid << 16)) >>> 0);
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

  isPinned(ref: number): boolean {
    return this.activeEntries.get(ref)?.pinned ?? false;
  }

  /** @returns whether an entry from `firstRef` on is in use */
  anyPinnedFrom(firstRef: number): boolean {
    for (const [ref, active] of this.activeEntries) if (ref >= firstRef && active.pinned) return true;
    return false;
  }

  /** Checks the shared entry and marks it as in use. @returns GNTST_okay, or GNTST_general_error; the entry is then unchanged */
  admit(ref: number, use: EntryUse): number {
    return this.entries.admit(ref, use, this.isPinned(ref));
  }

  /** Clears the reading and writing bits as far as the remaining pins allow. @param readonly the pin that went was a reader's */
  reduceStatus(ref: number, readonly: boolean): void {
    const active = this.active(ref);
    let clear = active.pinned ? 0 : GTF_reading;
    if (!readonly && !active.pinnedForWriting) clear |= GTF_writing;
    this.entries.clearStatus(ref, clear);
    if (!active.pinned) {
      this.activeEntries.delete(ref);
      if (this.dying) this.freeWhenUnused();
    }
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
    const none = { hstw: 0, hstr: 0, devw: 0, devr: 0 };
    const held = new Map<number, { [kind: string]: number }>();
    for (const holder of all) {
      for (const [handle, mapping] of holder.maptrack.live()) {
        const kinds = pinsOf(mapping.flags);
        if (kinds.length === 0) throw new Error(`d${holder.domid} handle ${handle}: live, but maps nothing`);
        if (mapping.grantor !== this) continue;
        if (this.active(mapping.ref).domid !== holder.domid)
          throw new Error(`d${this.domid} ref ${mapping.ref}: not the holder's`);
        const counts = held.get(mapping.ref) ?? { ...none };
        for (const kind of kinds) counts[kind]++;
        held.set(mapping.ref, counts);
      }
    }
    for (const [ref, active] of this.activeEntries) {
      const expected = held.get(ref) ?? none;
      for (const [kind, count] of Object.entries(active.counts)) {
        if (count !== expected[kind as keyof typeof none])
          throw new Error(
            `d${this.domid} ref ${ref}: ${kind} ${count}, handles ${expected[kind as keyof typeof none]}`,
          );
      }
      if (active.pinned && ref >= this.nrEntries)
        throw new Error(`d${this.domid} ref ${ref}: pinned beyond the table`);
    }
    const statusFrames = this.version === 2 ? this.entries.statusFramesFor(this.nrFrames) : 0;
    if (this.nrStatusFrames !== statusFrames)
      throw new Error(`d${this.domid}: ${this.nrStatusFrames} status frames`);
  }

  private freeWhenUnused(): void {
    for (const active of this.activeEntries.values()) if (active.pinned) return;
    for (const mfn of this.entries.frames.splice(0)) this.frames.freeShared(mfn);
    for (const mfn of this.entries.statusFrames.splice(0)) this.frames.freeShared(mfn);
    this.activeEntries.clear();
  }
}
