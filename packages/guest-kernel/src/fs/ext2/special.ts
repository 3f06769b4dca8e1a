/** Symbolic links and device nodes of ext2, ext3 and ext4. */
import { fromByteString, toByteString } from '../../abi/bytes.ts';
import { E } from '../../abi/errno.ts';
import { majorOf, makeDev, minorOf } from '../../abi/stat.ts';
import type { Op } from '../../task/wait.ts';
import type { ByteString } from '../types.ts';
import { EXT4_EXTENTS_FL, initialiseRoot } from './extent-node.ts';
import { Ext2Inode } from './inode.ts';

/** Targets shorter than this lie in the inode. */
const INLINE_BYTES = 60;

export class Ext2Symlink extends Ext2Inode {
  readlink(): Op<ByteString | number> {
    return this.volume.locked(this.#read());
  }

  /** Gives a new link its target; under the lock. Errors: -ENOSPC, -ENAMETOOLONG */
  *setTarget(target: ByteString): Op<number> {
    const bytes = fromByteString(target);
    if (bytes.length >= this.blockBytes) return -E.NAMETOOLONG;
    this.fields.size = bytes.length;
    if (bytes.length < INLINE_BYTES) {
      const view = new DataView(new ArrayBuffer(INLINE_BYTES));
      new Uint8Array(view.buffer).set(bytes);
      for (let slot = 0; slot < this.slots.length; slot++) this.slots[slot] = view.getUint32(4 * slot, true);
      return 0;
    }
    const { maps, groups, cache, sb } = this.volume;
    if (sb.hasExtents) {
      this.fields.flags |= EXT4_EXTENTS_FL;
      initialiseRoot(this.slots);
    }
    const block = yield* maps.ensure(this, 0, groups);
    if (block < 0) return block;
    cache.fresh(block).bytes.set(bytes);
    return 0;
  }

  protected override get hasBlocks(): boolean {
    return this.size >= INLINE_BYTES;
  }

  *#read(): Op<ByteString | number> {
    if (!this.hasBlocks) {
      const view = new DataView(new ArrayBuffer(INLINE_BYTES));
      for (const [slot, word] of this.slots.entries()) view.setUint32(4 * slot, word, true);
      return toByteString(new Uint8Array(view.buffer, 0, this.size));
    }
    if (this.size > this.blockBytes) return -E.IO;
    const mapping = yield* this.volume.maps.find(this, 0, 1);
    if (typeof mapping === 'number' || mapping.block === 0) return -E.IO;
    const block = yield* this.volume.cache.read(mapping.block);
    return typeof block === 'number' ? block : toByteString(block.bytes.subarray(0, this.size));
  }
}

export class Ext2Node extends Ext2Inode {
  override get rdev(): number {
    const [old, wide] = this.slots;
    return old !== 0 ? makeDev(old! >>> 8, old! & 0xff) : wide!;
  }

  setDevice(rdev: number): void {
    const small = majorOf(rdev) < 256 && minorOf(rdev) < 256;
    this.slots[small ? 0 : 1] = small ? (majorOf(rdev) << 8) | minorOf(rdev) : rdev;
  }

  protected override get hasBlocks(): boolean {
    return false;
  }
}
