import {
  __HYPERVISOR_grant_table_op,
  DOMID_SELF,
  type Gfn,
  GNTST_okay,
  GNTTAB_NR_RESERVED_ENTRIES,
  GNTTABOP_query_size,
  GNTTABOP_setup_table,
  GnttabQuerySize,
  GnttabSetupTable,
  GrantEntryV1,
  GTF_permit_access,
  GTF_reading,
  GTF_readonly,
  GTF_writing,
  type GuestPort,
  hypercallOn,
  kernelRead32,
  kernelUpdate32,
  kernelWrite32,
  type LinearAddr,
} from '@domu/xen-abi';
import { FreeList } from './free-list.ts';

/** What a grant lets whom do. */
export interface GrantOf {
  /** The domain that may use the frame. */
  readonly domid: number;
  /** Frame number by the kernel's own count (direct paging: the mfn). */
  readonly gfn: Gfn | number;
  readonly readonly: boolean;
}

/** What the kernel provides for its grant table. */
export interface GrantMemory {
  /** Memory of the kernel's own for arguments of hypercalls and lists of frames, used during calls only: a page. */
  readonly scratch: LinearAddr;
  /**
   * Maps one of the table's frames.
   * @param index number of the frame in the table
   * @param gfn as Xen names it
   * @returns where it is mapped, or null when it cannot be
   */
  mapFrame(index: number, gfn: number): LinearAddr | null;
}

const ENTRIES_PER_FRAME = 4096 / GrantEntryV1.size;
const IN_USE = GTF_reading | GTF_writing;
const FRAME_LIST_OFFSET = 64;
/** Used when Xen does not say (it is older than GNTTABOP_query_size). */
const DEFAULT_MAX_FRAMES = 4;

/**
 * The grants that a guest kernel gives, in version 1 entries: references from a free list, and brackets that take them back
 * on every path. A peer that still uses a frame keeps its reference from being handed out again until it lets go.
 * Invariants: a reference that is free has an empty entry · a reference is freed only once nobody reads or writes through it
 * Source: xen/include/public/grant_table.h, "Introducing a valid entry", "Invalidating an unused entry" @ RELEASE-4.18.0
 */
export class GuestGrants {
  private readonly guest: GuestPort;
  private readonly memory: GrantMemory;
  private readonly frames: LinearAddr[] = [];
  private readonly refs: FreeList = new FreeList();
  /** Ended, but still used by the peer. */
  private readonly lingering: Set<number> = new Set();
  private maxFrames = 0;

  constructor(guest: GuestPort, memory: GrantMemory) {
    this.guest = guest;
    this.memory = memory;
  }

  /** Number of references that could be handed out without growing the table. */
  get nrFree(): number {
    return this.refs.nrFree;
  }

  /** Number of references whose peers have not let go yet. */
  get nrLingering(): number {
    return this.lingering.size;
  }

  /**
   * Grants access to a frame.
   * @returns the reference, or -1 when the table is full
   */
  grantAccess(grant: GrantOf): number {
    const ref = this.takeRef();
    if (ref < 0) return -1;
    const at = this.entryAt(ref);
    kernelWrite32(this.guest, at + GrantEntryV1.frame.offset, grant.gfn);
    // The word with the flags comes last: from then on the entry is valid.
    const flags = GTF_permit_access | (grant.readonly ? GTF_readonly : 0);
    kernelWrite32(this.guest, at, (flags | (grant.domid << 16)) >>> 0);
    return ref;
  }

  /** Whether the peer reads or writes through the grant at present. */
  inUse(ref: number): boolean {
    return (kernelRead32(this.guest, this.entryAt(ref)) & IN_USE) !== 0;
  }

  /**
   * Ends a grant. The entry goes in one step, and only while nobody uses it.
   * @returns true when the reference is free again; false: the peer still holds the frame, which must not be reused before
   *   `reclaim` has freed the reference
   */
  endAccess(ref: number): boolean {
    if (this.tryClear(ref)) {
      this.refs.put(ref);
      return true;
    }
    this.lingering.add(ref);
    return false;
  }

  /** Frees what peers have let go of since. @returns the references that are free now */
  reclaim(): number[] {
    const freed = [...this.lingering].filter((ref) => this.tryClear(ref));
    for (const ref of freed) {
      this.lingering.delete(ref);
      this.refs.put(ref);
    }
    return freed;
  }

  /**
   * Runs `use` while a grant is in force, and ends the grant on every path.
   * @returns what `use` returns; null when no reference was to be had, and `use` was not called
   */
  withGrant<T>(grant: GrantOf, use: (ref: number) => T): T | null {
    const ref = this.grantAccess(grant);
    if (ref < 0) return null;
    try {
      return use(ref);
    } finally {
      this.endAccess(ref);
    }
  }

  /** As `withGrant`, for a `use` that takes time: the grant ends when its promise settles. */
  async withGrantAsync<T>(grant: GrantOf, use: (ref: number) => Promise<T>): Promise<T | null> {
    const ref = this.grantAccess(grant);
    if (ref < 0) return null;
    try {
      return await use(ref);
    } finally {
      this.endAccess(ref);
    }
  }

  /** As `withGrant` for several frames at once: all or nothing. */
  withGrants<T>(grants: readonly GrantOf[], use: (refs: readonly number[]) => T): T | null {
    const refs: number[] = [];
    try {
      for (const grant of grants) {
        const ref = this.grantAccess(grant);
        if (ref < 0) return null;
        refs.push(ref);
      }
      return use(refs);
    } finally {
      for (const ref of refs) this.endAccess(ref);
    }
  }

  private takeRef(): number {
    const ref = this.refs.take();
    if (ref >= 0) return ref;
    if (this.reclaim().length === 0 && !this.grow()) return -1;
    return this.refs.take();
  }

  /** Clears an entry that nobody uses. @returns whether it is clear */
  private tryClear(ref: number): boolean {
    const before = kernelUpdate32(this.guest, this.entryAt(ref), (word) => (word & IN_USE ? word : 0));
    return (before & IN_USE) === 0;
  }

  /** Adds a frame to the table. @returns false when there can be no more */
  private grow(): boolean {
    if (this.maxFrames === 0) this.maxFrames = this.querySize();
    const index = this.frames.length;
    if (index >= this.maxFrames) return false;
    const gfn = this.setupTable(index + 1);
    const va = gfn < 0 ? null : this.memory.mapFrame(index, gfn);
    if (va === null) return false;
    this.frames.push(va);
    this.refs.extend(this.frames.length * ENTRIES_PER_FRAME, GNTTAB_NR_RESERVED_ENTRIES);
    return true;
  }

  private querySize(): number {
    const op = new DataView(new ArrayBuffer(GnttabQuerySize.size));
    GnttabQuerySize.dom.set(op, 0, DOMID_SELF);
    const ok = this.call(GNTTABOP_query_size, op) === 0 && GnttabQuerySize.status.get(op, 0) === GNTST_okay;
    return ok ? GnttabQuerySize.max_nr_frames.get(op, 0) : DEFAULT_MAX_FRAMES;
  }

  /** @returns the last of `nrFrames` frames as Xen names it, or -1 */
  private setupTable(nrFrames: number): number {
    const list = this.memory.scratch + FRAME_LIST_OFFSET;
    const op = new DataView(new ArrayBuffer(GnttabSetupTable.size));
    GnttabSetupTable.dom.set(op, 0, DOMID_SELF);
    GnttabSetupTable.nr_frames.set(op, 0, nrFrames);
    GnttabSetupTable.frame_list.set(op, 0, list);
    if (this.call(GNTTABOP_setup_table, op) !== 0) return -1;
    if (GnttabSetupTable.status.get(op, 0) !== GNTST_okay) return -1;
    return kernelRead32(this.guest, list + 4 * (nrFrames - 1));
  }

  private call(command: number, op: DataView): number {
    const { scratch } = this.memory;
    return hypercallOn(this.guest, __HYPERVISOR_grant_table_op, op, { command, count: 1, scratch });
  }

  private entryAt(ref: number): LinearAddr {
    const frame = this.frames[Math.floor(ref / ENTRIES_PER_FRAME)];
    return (frame + (ref % ENTRIES_PER_FRAME) * GrantEntryV1.size) as LinearAddr;
  }
}
