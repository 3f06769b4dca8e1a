/**
 * Metadata blocks of one file system in memory. Used under the file system's lock only. What is dirty is written by the
 * transaction (volume.ts): to where it belongs, or to the journal first; until then it is kept here.
 */
import { E } from '../../abi/errno.ts';
import type { Op } from '../../task/wait.ts';
import type { BlockDevice } from '../types.ts';

/** Bytes of blocks that are kept. */
const CAPACITY_BYTES = 8 << 20;
/** Most bytes of one transfer. */
const RUN_BYTES = 262144;

/** A block in memory. Change `bytes`, then call {@link Block.changed}. */
export class Block {
  readonly number: number;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Somebody keeps it for good: it must stay this object. */
  pinned = false;
  /** Puts the checksum into it; called before it is written. */
  seal: ((block: Block) => void) | undefined;
  readonly #dirty: Set<Block>;

  constructor(number: number, bytes: Uint8Array, dirty: Set<Block>) {
    this.number = number;
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#dirty = dirty;
  }

  get isDirty(): boolean {
    return this.#dirty.has(this);
  }

  changed(): void {
    this.#dirty.add(this);
  }
}

/** A block's number and the content that it shall have. */
export type BlockImage = readonly [number: number, bytes: Uint8Array];

export class BlockCache {
  readonly blockBytes: number;
  /** Committed to the journal, and not yet where they belong: block number to content. */
  readonly committed: Map<number, Uint8Array> = new Map();
  /** Called for a block that is no metadata any more. */
  onForget: (number: number) => void = () => {};
  readonly #device: BlockDevice;
  readonly #blocks = new Map<number, Block>();
  readonly #dirty = new Set<Block>();

  constructor(device: BlockDevice, blockBytes: number) {
    this.#device = device;
    this.blockBytes = blockBytes;
  }

  get dirtyCount(): number {
    return this.#dirty.size;
  }

  /** @returns the block, or -EIO */
  *read(number: number): Op<Block | number> {
    const held = this.#blocks.get(number);
    if (held !== undefined) return held;
    const committed = this.committed.get(number);
    if (committed !== undefined) return this.#keep(number, committed.slice());
    const bytes = new Uint8Array(this.blockBytes);
    const read = yield* this.#device.read(this.#sector(number), bytes);
    return read < 0 ? -E.IO : this.#keep(number, bytes);
  }

  /** A block that is all zero now, whatever was in it. */
  fresh(number: number): Block {
    this.#drop(number);
    const block = this.#keep(number, new Uint8Array(this.blockBytes));
    block.changed();
    return block;
  }

  /** A block is no metadata any more. */
  forget(number: number): void {
    this.#drop(number);
    this.onForget(number);
  }

  /** Takes what is dirty, sealed and in order: it counts as written from now on. */
  takeDirty(): Block[] {
    for (const block of this.#dirty) block.seal?.(block);
    const dirty = [...this.#dirty].sort((a, b) => a.number - b.number);
    this.#dirty.clear();
    return dirty;
  }

  /** Writes blocks, in order, to where they belong: neighbours together. @returns 0 or the first error */
  *writeHome(images: readonly BlockImage[]): Op<number> {
    const most = RUN_BYTES / this.blockBytes;
    let result = 0;
    for (let at = 0; at < images.length; ) {
      const first = images[at]![0];
      let length = 1;
      while (length < most && images[at + length]?.[0] === first + length) length++;
      const bytes = new Uint8Array(length * this.blockBytes);
      for (let place = 0; place < length; place++) bytes.set(images[at + place]![1], place * this.blockBytes);
      const written = yield* this.#device.write(this.#sector(first), bytes);
      if (written < 0 && result === 0) result = written;
      at += length;
    }
    return result;
  }

  /** Drops clean blocks if there are many. Call between operations: within one, blocks stay where they are. */
  trim(): void {
    if (this.#blocks.size * this.blockBytes <= CAPACITY_BYTES) return;
    for (const [number, block] of this.#blocks) {
      if (!block.isDirty && !block.pinned) this.#blocks.delete(number);
      if (this.#blocks.size * this.blockBytes <= CAPACITY_BYTES / 2) return;
    }
  }

  get isOverfull(): boolean {
    return this.#blocks.size * this.blockBytes > CAPACITY_BYTES;
  }

  /** Most of it waits to be written. */
  get isDirtyEnough(): boolean {
    return this.#dirty.size * this.blockBytes > CAPACITY_BYTES / 2;
  }

  #sector(number: number): number {
    return number * (this.blockBytes / 512);
  }

  #drop(number: number): void {
    const block = this.#blocks.get(number);
    if (block === undefined) return;
    this.#dirty.delete(block);
    this.#blocks.delete(number);
  }

  #keep(number: number, bytes: Uint8Array): Block {
    const block = new Block(number, bytes, this.#dirty);
    this.#blocks.set(number, block);
    return block;
  }
}
