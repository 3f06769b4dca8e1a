/** Metadata blocks of one file system in memory, with write-back. Used under the file system's lock only. */
import { E } from '../../abi/errno.ts';
import type { Op } from '../../task/wait.ts';
import type { BlockDevice } from '../types.ts';

/** A block in memory. Change `bytes`, then set `dirty`. */
export interface Block {
  readonly number: number;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  dirty: boolean;
  /** Somebody keeps it for good: it must stay this object. */
  pinned: boolean;
}

/** Bytes of blocks that are kept. */
const CAPACITY_BYTES = 8 << 20;
/** Most bytes of one transfer. */
const RUN_BYTES = 65536;

export class BlockCache {
  readonly blockBytes: number;
  readonly #device: BlockDevice;
  readonly #blocks = new Map<number, Block>();

  constructor(device: BlockDevice, blockBytes: number) {
    this.#device = device;
    this.blockBytes = blockBytes;
  }

  get hasDirty(): boolean {
    for (const block of this.#blocks.values()) if (block.dirty) return true;
    return false;
  }

  /** @returns the block, or -EIO */
  *read(number: number): Op<Block | number> {
    const held = this.#blocks.get(number);
    if (held !== undefined) return held;
    const bytes = new Uint8Array(this.blockBytes);
    const read = yield* this.#device.read(this.#sector(number), bytes);
    return read < 0 ? -E.IO : this.#keep(number, bytes);
  }

  /** A block that is all zero now, whatever was in it. */
  fresh(number: number): Block {
    const block = this.#keep(number, new Uint8Array(this.blockBytes));
    block.dirty = true;
    return block;
  }

  /** A block is no metadata any more. */
  forget(number: number): void {
    this.#blocks.delete(number);
  }

  /** Writes what is dirty, neighbours together. @returns 0 or the first error */
  *flush(): Op<number> {
    const dirty = [...this.#blocks.values()]
      .filter((block) => block.dirty)
      .sort((a, b) => a.number - b.number);
    const most = RUN_BYTES / this.blockBytes;
    let result = 0;
    for (let at = 0; at < dirty.length; ) {
      let length = 1;
      while (length < most && dirty[at + length]?.number === dirty[at]!.number + length) length++;
      const bytes = new Uint8Array(length * this.blockBytes);
      for (let place = 0; place < length; place++) {
        const block = dirty[at + place]!;
        bytes.set(block.bytes, place * this.blockBytes);
        block.dirty = false;
      }
      const written = yield* this.#device.write(this.#sector(dirty[at]!.number), bytes);
      if (written < 0 && result === 0) result = written;
      at += length;
    }
    return result;
  }

  /** Drops clean blocks if there are many. Call between operations: within one, blocks stay where they are. */
  trim(): void {
    if (this.#blocks.size * this.blockBytes <= CAPACITY_BYTES) return;
    for (const [number, block] of this.#blocks) {
      if (!block.dirty && !block.pinned) this.#blocks.delete(number);
      if (this.#blocks.size * this.blockBytes <= CAPACITY_BYTES / 2) return;
    }
  }

  get isOverfull(): boolean {
    return this.#blocks.size * this.blockBytes > CAPACITY_BYTES;
  }

  #sector(number: number): number {
    return number * (this.blockBytes / 512);
  }

  #keep(number: number, bytes: Uint8Array): Block {
    const block = { number, bytes, view: new DataView(bytes.buffer), dirty: false, pinned: false };
    this.#blocks.set(number, block);
    return block;
  }
}
