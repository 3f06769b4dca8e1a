import type { GrantTable } from './grant-table.ts';

/** A live mapping of another domain's grant, found by its handle. */
export interface GrantMapping {
  readonly grantor: GrantTable;
  readonly ref: number;
  /** GNTMAP_* as given to map; the device and host bits go away as those parts are unmapped. */
  flags: number;
}

const HANDLES_PER_FRAME = 256; // sizeof(struct grant_mapping) is 16

/** A domain's handles. A freed handle waits its turn behind the others, so a stale one is not at once somebody else's. */
export class Maptrack {
  private readonly limit: number;
  private readonly entries: (GrantMapping | null)[] = [];
  private readonly free: number[] = [];
  private liveCount = 0;

  /** @param maxFrames bound of the table, in frames of 256 handles (xl's `max_maptrack_frames`) */
  constructor(maxFrames: number) {
    this.limit = maxFrames * HANDLES_PER_FRAME;
  }

  /** @returns a new handle, or -1 when the table is full */
  add(mapping: GrantMapping): number {
    const handle = this.entries.length < this.limit ? this.entries.length : (this.free.shift() ?? -1);
    if (handle < 0) return handle;
    this.entries[handle] = mapping;
    this.liveCount++;
    return handle;
  }

  get full(): boolean {
    return this.entries.length >= this.limit && this.free.length === 0;
  }

  /** Number of live mappings. */
  get size(): number {
    return this.liveCount;
  }

  /** Whether a live mapping is of frame `mfn`. */
  maps(mfn: number): boolean {
    return this.entries.some(
      (mapping) => mapping !== null && mapping.grantor.active(mapping.ref).mfn === mfn,
    );
  }

  get(handle: number): GrantMapping | undefined {
    return this.entries[handle] ?? undefined;
  }

  remove(handle: number): void {
    this.entries[handle] = null;
    this.liveCount--;
    this.free.push(handle);
  }

  /** The live mappings with their handles. */
  live(): [number, GrantMapping][] {
    return [...this.entries.entries()].filter((entry): entry is [number, GrantMapping] => entry[1] !== null);
  }
}
