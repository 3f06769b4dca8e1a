/** A node of a tree of extents: a header and entries. Source: Linux fs/ext4/ext4_extents.h; Documentation/filesystems/ext4. */
import type { Block } from './block-cache.ts';

/** Inode flag: i_block holds the root of a tree of extents. */
export const EXT4_EXTENTS_FL = 0x80000;

const MAGIC = 0xf30a;
const HEADER_BYTES = 12;
const ENTRY_BYTES = 12;
/** Longer extents are unwritten, by this much. */
const MAX_WRITTEN = 32768;
/** Entries of the root, in the inode. */
const ROOT_ENTRIES = 4;

/** Blocks of a file that lie together. */
export interface Extent {
  /** Index of the first in the file. */
  readonly index: number;
  readonly block: number;
  readonly count: number;
  readonly unwritten: boolean;
}

/** Most blocks of an extent. */
export function longestExtent(unwritten: boolean): number {
  return unwritten ? MAX_WRITTEN - 1 : MAX_WRITTEN;
}

/** An empty root, in the slots of an inode. */
export function initialiseRoot(slots: Uint32Array): void {
  slots.fill(0);
  new ExtentNode(slots, undefined).initialise(0);
}

export class ExtentNode {
  /** Undefined: the root. */
  readonly block: Block | undefined;
  readonly #view: DataView;
  readonly #bytes: Uint8Array;

  constructor(slots: Uint32Array | undefined, block: Block | undefined) {
    this.block = block;
    const of = slots ?? block!.bytes;
    this.#view = new DataView(of.buffer, of.byteOffset, of.byteLength);
    this.#bytes = new Uint8Array(of.buffer, of.byteOffset, of.byteLength);
  }

  /** Makes it an empty node. */
  initialise(depth: number): void {
    this.#view.setUint16(0, MAGIC, true);
    this.#view.setUint16(2, 0, true);
    this.#view.setUint16(4, this.#room, true);
    this.#view.setUint16(6, depth, true);
    this.#view.setUint32(8, 0, true);
    this.changed();
  }

  get #room(): number {
    if (this.block === undefined) return ROOT_ENTRIES;
    return Math.floor((this.#bytes.length - HEADER_BYTES) / ENTRY_BYTES);
  }

  /** Its numbers make sense. */
  get isValid(): boolean {
    return (
      this.#view.getUint16(0, true) === MAGIC &&
      this.max <= this.#room &&
      this.max > 0 &&
      this.count <= this.max
    );
  }

  get count(): number {
    return this.#view.getUint16(2, true);
  }

  get max(): number {
    return this.#view.getUint16(4, true);
  }

  /** 0: a leaf, with extents. */
  get depth(): number {
    return this.#view.getUint16(6, true);
  }

  /** Where the checksum of a node in a block is. */
  get tailAt(): number {
    return HEADER_BYTES + this.max * ENTRY_BYTES;
  }

  changed(): void {
    this.block?.changed();
  }

  /** Index in the file where an entry begins. */
  key(entry: number): number {
    return this.#view.getUint32(HEADER_BYTES + ENTRY_BYTES * entry, true);
  }

  setKey(entry: number, key: number): void {
    if (this.key(entry) === key) return;
    this.#view.setUint32(HEADER_BYTES + ENTRY_BYTES * entry, key, true);
    this.changed();
  }

  /** The block of the node below; 0 if it is beyond what we can. */
  child(entry: number): number {
    const at = HEADER_BYTES + ENTRY_BYTES * entry;
    return this.#view.getUint16(at + 8, true) === 0 ? this.#view.getUint32(at + 4, true) : 0;
  }

  extent(entry: number): Extent {
    const at = HEADER_BYTES + ENTRY_BYTES * entry;
    const length = this.#view.getUint16(at + 4, true);
    const unwritten = length > MAX_WRITTEN;
    return {
      index: this.#view.getUint32(at, true),
      block: this.#view.getUint16(at + 6, true) === 0 ? this.#view.getUint32(at + 8, true) : 0,
      count: unwritten ? length - MAX_WRITTEN : length,
      unwritten,
    };
  }

  setExtent(entry: number, { index, block, count, unwritten }: Extent): void {
    const at = HEADER_BYTES + ENTRY_BYTES * entry;
    this.#view.setUint32(at, index, true);
    this.#view.setUint16(at + 4, unwritten ? count + MAX_WRITTEN : count, true);
    this.#view.setUint16(at + 6, 0, true);
    this.#view.setUint32(at + 8, block, true);
    this.changed();
  }

  setChild(entry: number, key: number, block: number): void {
    const at = HEADER_BYTES + ENTRY_BYTES * entry;
    this.#view.setUint32(at, key, true);
    this.#view.setUint32(at + 4, block, true);
    this.#view.setUint32(at + 8, 0, true);
    this.changed();
  }

  /** Makes room for `added` entries before `entry` (or takes entries out, if negative); there is room. */
  shift(entry: number, added: number): void {
    const from = HEADER_BYTES + ENTRY_BYTES * (added < 0 ? entry - added : entry);
    const end = HEADER_BYTES + ENTRY_BYTES * this.count;
    this.#bytes.copyWithin(from + ENTRY_BYTES * added, from, end);
    this.#view.setUint16(2, this.count + added, true);
    this.changed();
  }

  /** Moves entries from `entry` on to an empty node. */
  moveTo(other: ExtentNode, entry: number): void {
    const from = HEADER_BYTES + ENTRY_BYTES * entry;
    const end = HEADER_BYTES + ENTRY_BYTES * this.count;
    other.#bytes.set(this.#bytes.subarray(from, end), HEADER_BYTES);
    other.#view.setUint16(2, this.count - entry, true);
    this.#view.setUint16(2, entry, true);
    other.changed();
    this.changed();
  }

  /** The last entry that begins at or before `index`, or -1. */
  lastNotAfter(index: number): number {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.key(middle) <= index) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}
