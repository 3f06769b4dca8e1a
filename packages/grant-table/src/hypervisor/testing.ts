import { GNTST_general_error, GNTST_okay } from '@domu/xen-abi';
import type { GrantFrames, GrantMapper } from './frames.ts';
import { GrantTable } from './grant-table.ts';

const NR_FRAMES = 128;
const STOLEN = -3;

interface FakeFrame {
  owner: number;
  refs: number;
  writers: number;
  /** In use as a page table: no writable reference to be had. */
  typed: boolean;
}

/** Machine memory with owners and counts. Frames are handed to domains by number; shared frames come from the top. */
export class FakeFrames implements GrantFrames {
  readonly u8: Uint8Array = new Uint8Array(NR_FRAMES * 4096);
  readonly u16: Uint16Array = new Uint16Array(this.u8.buffer);
  readonly u32: Uint32Array = new Uint32Array(this.u8.buffer);
  readonly state: FakeFrame[] = Array.from({ length: NR_FRAMES }, () => ({
    owner: -1,
    refs: 0,
    writers: 0,
    typed: false,
  }));
  /** Frames that a domain may own. */
  maxPages = 5;
  private nextShared = NR_FRAMES;

  give(mfn: number, domid: number): void {
    this.state[mfn].owner = domid;
  }

  getPageFromGfn(domid: number, gfn: number): number {
    return this.getPage(domid, gfn) ? gfn : -1;
  }

  getPage(domid: number, mfn: number): boolean {
    const frame = this.state[mfn];
    if (frame?.owner !== domid) return false;
    frame.refs++;
    return true;
  }

  putPage(mfn: number): void {
    if (--this.state[mfn].refs < 0) throw new Error(`frame ${mfn}: reference underflow`);
  }

  getWritable(mfn: number): boolean {
    if (this.state[mfn].typed) return false;
    this.state[mfn].writers++;
    return true;
  }

  putWritable(mfn: number): void {
    if (--this.state[mfn].writers < 0) throw new Error(`frame ${mfn}: writable type underflow`);
  }

  /** The last shared frames; those that were freed are not used again. */
  allocShared(): number {
    return this.nextShared > NR_FRAMES - 48 ? --this.nextShared : -1;
  }

  freeShared(mfn: number): void {
    this.state[mfn].owner = -2;
  }

  sharedInUse(mfn: number): boolean {
    return this.state[mfn].refs > 0;
  }

  steal(domid: number, gfn: number): number {
    const frame = this.state[gfn];
    if (frame?.owner !== domid || frame.refs > 0 || frame.typed) return -1;
    frame.owner = STOLEN;
    return gfn;
  }

  allocStolen(): number {
    const mfn = this.state.findIndex(({ owner }, i) => owner === -1 && i > 0);
    if (mfn > 0) this.state[mfn].owner = STOLEN;
    return mfn;
  }

  dropStolen(mfn: number): void {
    this.state[mfn].owner = -1;
  }

  hasRoom(domid: number): boolean {
    return this.state.filter(({ owner }) => owner === domid).length < this.maxPages;
  }

  giveStolen(mfn: number, domid: number): number {
    if (this.state[mfn].owner !== STOLEN) throw new Error(`frame ${mfn} is not stolen`);
    this.state[mfn].owner = domid;
    return mfn;
  }

  ownerOf(mfn: number): number {
    const frame = this.state[mfn];
    return frame === undefined ? -2 : Math.max(-1, frame.owner);
  }

  counts(mfn: number): [refs: number, writers: number] {
    return [this.state[mfn].refs, this.state[mfn].writers];
  }
}

/** Page tables that remember what is mapped where. Address 0xbad000 has no L1 entry. */
export class FakeMapper implements GrantMapper {
  readonly mapped: Map<number, { mfn: number; flags: number }> = new Map();

  map(hostAddr: number, mfn: number, flags: number): number {
    if (hostAddr === 0xbad000) return GNTST_general_error;
    this.mapped.set(hostAddr, { mfn, flags });
    return GNTST_okay;
  }

  replace(hostAddr: number, mfn: number): number {
    if (this.mapped.get(hostAddr)?.mfn !== mfn) return GNTST_general_error;
    this.mapped.delete(hostAddr);
    return GNTST_okay;
  }
}

/** Domains with four frames each: domain d owns 4d to 4d+3. */
export class FakeGrantWorld {
  readonly frames: FakeFrames = new FakeFrames();
  readonly tables: Map<number, GrantTable> = new Map();

  domain(
    domid: number,
    options: { maxFrames?: number; maxMaptrackFrames?: number; maxVersion?: 1 | 2 } = {},
  ): GrantTable {
    for (let i = 0; i < 4; i++) this.frames.give(4 * domid + i, domid);
    const table = new GrantTable({
      domid,
      maxFrames: options.maxFrames ?? 4,
      maxMaptrackFrames: options.maxMaptrackFrames,
      maxVersion: options.maxVersion,
      frames: this.frames,
      peers: (id) => this.tables.get(id),
    });
    this.tables.set(domid, table);
    return table;
  }

  /** The first word of an entry: flags, and domid above them. */
  entryFlags(table: GrantTable, ref: number): number {
    return this.frames.u32[this.entryWord(table, ref)] & 0xffff;
  }

  /** Writes an entry as a guest would. */
  write(table: GrantTable, ref: number, entry: { flags: number; domid: number; frame: number }): void {
    const word = this.entryWord(table, ref);
    this.frames.u32[word] = entry.flags | (entry.domid << 16);
    this.frames.u32[word + 1] = entry.frame;
  }

  /** Writes a version 2 entry: words 0 to 3. */
  writeV2(table: GrantTable, ref: number, words: readonly [number, number, number, number]): void {
    this.frames.u32.set(words, this.entryWord(table, ref));
  }

  private entryWord(table: GrantTable, ref: number): number {
    return table.version === 1
      ? table.sharedFrame(ref >>> 9) * 1024 + (ref & 511) * 2
      : table.sharedFrame(ref >>> 8) * 1024 + (ref & 255) * 4;
  }
}
