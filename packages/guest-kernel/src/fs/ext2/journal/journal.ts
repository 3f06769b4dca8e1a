/**
 * Writes transactions to the journal, and keeps track of how much of it is in use. One operation at a time: the volume's
 * commit lock sees to that. Source: Linux fs/jbd2/{journal,commit}.c.
 */
import { E } from '../../../abi/errno.ts';
import type { Op } from '../../../task/wait.ts';
import type { BlockDevice } from '../../types.ts';
import type { BlockCache, BlockImage } from '../block-cache.ts';
import { INCOMPAT_64BIT } from '../features.ts';
import type { FileMaps, MappedFile } from '../file-map.ts';
import type { Superblock } from '../superblock.ts';
import { JournalArea } from './area.ts';
import {
  COMMIT_BLOCK,
  DESCRIPTOR_BLOCK,
  FLAG_ESCAPE,
  FLAG_LAST_TAG,
  FLAG_SAME_UUID,
  HEADER_BYTES,
  hasMagic,
  JournalSuperblock,
  REVOKE_BLOCK,
} from './format.ts';
import { type Replayed, replay } from './replay.ts';

/** What a commit puts into the journal. */
export interface Transaction {
  readonly images: readonly BlockImage[];
  /** Blocks of which older copies in the journal are not to be replayed. */
  readonly revoked: readonly number[];
  /** Seconds since 1970. */
  readonly seconds: number;
}

export class Journal {
  readonly #area: JournalArea;
  readonly #sb: JournalSuperblock;
  readonly #device: BlockDevice;
  readonly #seed: number;
  /** Where the next transaction goes, and its number. */
  #head: number;
  #sequence: number;
  /** Blocks of the log that hold what is not yet where it belongs. */
  #used = 0;

  private constructor(area: JournalArea, sb: JournalSuperblock, device: BlockDevice) {
    this.#area = area;
    this.#sb = sb;
    this.#device = device;
    this.#seed = sb.seed;
    this.#head = sb.first;
    this.#sequence = sb.sequence;
  }

  /** Finds the journal of a file system. @returns a message if there is none that we can use; -EIO */
  static *open(
    device: BlockDevice,
    sb: Superblock,
    maps: FileMaps,
    file: MappedFile & { readonly size: number },
  ): Op<Journal | string | number> {
    const area = yield* JournalArea.find(device, sb.blockBytes, maps, file);
    if (typeof area === 'number') return area;
    if (area.blocks === 0) return 'journal too short';
    const bytes = new Uint8Array(sb.blockBytes);
    const read = yield* area.read(0, bytes);
    if (read < 0) return read;
    const journalSb = new JournalSuperblock(bytes, sb.checksums.crc32c);
    const problem = journalSb.problem(sb.blockBytes, area.blocks);
    return problem ?? new Journal(area, journalSb, device);
  }

  /** There are transactions to be replayed. */
  get isEmpty(): boolean {
    return this.#sb.start === 0;
  }

  /** Blocks of the log, and how many of them are free. */
  get capacity(): number {
    return this.#sb.length - this.#sb.first;
  }

  get free(): number {
    return this.capacity - this.#used;
  }

  /** Blocks of the log that a transaction takes. */
  sizeOf(images: number, revoked: number): number {
    const descriptors = Math.ceil(images / this.#sb.tagsPerBlock);
    return images + descriptors + Math.ceil(revoked / this.#sb.revokesPerBlock) + 1;
  }

  /** Replays what was committed, and leaves the log empty. @param fsBlocks blocks of the file system @returns -EIO */
  *recover(cache: BlockCache, fsBlocks: number): Op<Replayed | number> {
    const done = yield* replay(this.#area, this.#sb, cache, fsBlocks);
    if (typeof done === 'number') return done;
    const settled = yield* this.#device.flush();
    if (settled < 0) return settled;
    this.#sequence = done.sequence;
    const emptied = yield* this.#moveTail(0);
    return emptied < 0 ? emptied : done;
  }

  /** Before the first transaction. */
  *begin(wants: { readonly checksums: boolean; readonly wide: boolean }): Op<number> {
    this.#sb.prepare(wants);
    this.#used = 0;
    this.#head = this.#sb.first;
    return yield* this.#moveTail(this.#head);
  }

  /** Writes a transaction; on return it is certain. @returns 0 or a negative errno: -EFBIG if there is no room */
  *commit(transaction: Transaction): Op<number> {
    const { images, revoked } = transaction;
    const size = this.sizeOf(images.length, revoked.length);
    if (size > this.free) return -E.FBIG;
    const { blockBytes } = this.#area;
    const log = new Uint8Array(size * blockBytes);
    this.#fill(log, transaction);
    const commitAt = log.length - blockBytes;
    const wrote = yield* this.#write(log.subarray(0, commitAt));
    if (wrote < 0) return wrote;
    // File data that the transaction shows was written before: it is on the medium now, too.
    const settled = yield* this.#device.flush();
    if (settled < 0) return settled;
    const committed = yield* this.#write(log.subarray(commitAt));
    if (committed < 0) return committed;
    this.#used += size;
    this.#sequence = (this.#sequence + 1) >>> 0;
    return yield* this.#device.flush();
  }

  /** All that was committed is where it belongs: the log may be used again. */
  checkpointed(): Op<number> {
    return this.#moveTail(this.#head);
  }

  /** The same, for good: there is nothing to recover. */
  end(): Op<number> {
    return this.#moveTail(0);
  }

  *#moveTail(start: number): Op<number> {
    this.#sb.setTail(start, this.#sequence);
    this.#used = 0;
    const written = yield* this.#area.write(0, this.#sb.bytes);
    return written < 0 ? written : yield* this.#device.flush();
  }

  /** Writes blocks from the head on, round the end. */
  *#write(bytes: Uint8Array): Op<number> {
    const { blockBytes } = this.#area;
    for (let done = 0; done < bytes.length; ) {
      const room = (this.#sb.length - this.#head) * blockBytes;
      const part = bytes.subarray(done, Math.min(bytes.length, done + room));
      const written = yield* this.#area.write(this.#head, part);
      if (written < 0) return written;
      this.#head += part.length / blockBytes;
      if (this.#head === this.#sb.length) this.#head = this.#sb.first;
      done += part.length;
    }
    return 0;
  }

  /** Descriptors with their copies, revoke blocks, the commit block. */
  #fill(log: Uint8Array, { images, revoked, seconds }: Transaction): void {
    const sb = this.#sb;
    const { blockBytes } = this.#area;
    let at = 0;
    const next = () => {
      const bytes = log.subarray(at, at + blockBytes);
      at += blockBytes;
      return { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength) };
    };
    for (let first = 0; first < images.length; first += sb.tagsPerBlock) {
      const part = images.slice(first, first + sb.tagsPerBlock);
      const { bytes, view } = next();
      sb.putHeader(view, DESCRIPTOR_BLOCK, this.#sequence);
      let tagAt = HEADER_BYTES;
      for (const [place, [block, image]] of part.entries()) {
        const copy = next();
        copy.bytes.set(image);
        const escaped = hasMagic(copy.view);
        if (escaped) copy.view.setUint32(0, 0);
        let flags = escaped ? FLAG_ESCAPE : 0;
        if (place > 0) flags |= FLAG_SAME_UUID;
        if (place === part.length - 1) flags |= FLAG_LAST_TAG;
        const checksum = sb.tagChecksum(this.#seed, this.#sequence, copy.bytes);
        if (place === 0) bytes.set(sb.uuid, tagAt + sb.tagBytes);
        tagAt = sb.putTag(view, tagAt, { block, flags, checksum });
      }
      sb.sealTail(this.#seed, bytes, view);
    }
    for (let first = 0; first < revoked.length; first += sb.revokesPerBlock) {
      const { bytes, view } = next();
      sb.putHeader(view, REVOKE_BLOCK, this.#sequence);
      sb.putRevokes(view, revoked.slice(first, first + sb.revokesPerBlock));
      sb.sealTail(this.#seed, bytes, view);
    }
    const { bytes, view } = next();
    sb.putHeader(view, COMMIT_BLOCK, this.#sequence);
    sb.sealCommit(this.#seed, bytes, view, seconds);
  }
}

/** What the journal of a file system shall look like. */
export function journalFormat(sb: Superblock): { checksums: boolean; wide: boolean } {
  return { checksums: sb.hasChecksums, wide: (sb.incompat & INCOMPAT_64BIT) !== 0 };
}
