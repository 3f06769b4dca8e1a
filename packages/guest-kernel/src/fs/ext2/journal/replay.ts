/** What was committed before the power went: found in the journal and put where it belongs. Source: Linux fs/jbd2/recovery.c. */
import { E } from '../../../abi/errno.ts';
import type { Op } from '../../../task/wait.ts';
import type { BlockCache, BlockImage } from '../block-cache.ts';
import type { JournalArea } from './area.ts';
import {
  COMMIT_BLOCK,
  DESCRIPTOR_BLOCK,
  FLAG_ESCAPE,
  hasMagic,
  type JournalSuperblock,
  REVOKE_BLOCK,
} from './format.ts';

/** Blocks that are read ahead, and written at once. */
const BATCH = 64;
const MAGIC_BYTES: readonly number[] = [0xc0, 0x3b, 0x39, 0x98];

/** A copy in the log. */
interface Copy {
  readonly position: number;
  readonly escaped: boolean;
}

/** The transaction that is being read. */
interface Pending {
  readonly copies: (readonly [block: number, copy: Copy])[];
  readonly revoked: number[];
}

/** What there was. */
export interface Replayed {
  readonly transactions: number;
  readonly blocks: number;
  /** Number for the next transaction. */
  readonly sequence: number;
}

/** Reads the log forward, some blocks at a time. */
class LogReader {
  readonly #area: JournalArea;
  readonly #end: number;
  readonly #buffer: Uint8Array;
  #from = 0;
  #count = 0;

  constructor(area: JournalArea, end: number) {
    this.#area = area;
    this.#end = end;
    this.#buffer = new Uint8Array(BATCH * area.blockBytes);
  }

  /** A block of the log; valid until the next call. */
  *block(position: number): Op<Uint8Array | number> {
    const { blockBytes } = this.#area;
    if (position < this.#from || position >= this.#from + this.#count) {
      const count = Math.min(BATCH, this.#end - position);
      const read = yield* this.#area.read(position, this.#buffer.subarray(0, count * blockBytes));
      this.#from = position;
      this.#count = read < 0 ? 0 : count;
      if (read < 0) return read;
    }
    const at = (position - this.#from) * blockBytes;
    return this.#buffer.subarray(at, at + blockBytes);
  }
}

class Replay {
  readonly #sb: JournalSuperblock;
  readonly #reader: LogReader;
  readonly #seed: number;
  readonly #fsBlocks: number;
  readonly #copies = new Map<number, Copy>();
  #position: number;
  #left: number;

  constructor(area: JournalArea, sb: JournalSuperblock, fsBlocks: number) {
    this.#sb = sb;
    this.#reader = new LogReader(area, sb.length);
    this.#seed = sb.seed;
    this.#fsBlocks = fsBlocks;
    this.#position = sb.start;
    this.#left = sb.length - sb.first;
  }

  /** Finds the newest copy of each block. @returns transactions that were committed; -EIO */
  *scan(): Op<number> {
    let sequence = this.#sb.sequence;
    let transactions = 0;
    let pending: Pending = { copies: [], revoked: [] };
    while (this.#left > 0) {
      const bytes = yield* this.#next();
      if (typeof bytes === 'number') return bytes;
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      if (!hasMagic(view) || view.getUint32(8) !== sequence) break;
      const type = view.getUint32(4);
      if (type === COMMIT_BLOCK) {
        if (!this.#sb.commitMatches(this.#seed, bytes, view)) break;
        this.#committed(pending);
        pending = { copies: [], revoked: [] };
        sequence = (sequence + 1) >>> 0;
        transactions++;
        continue;
      }
      if (!this.#sb.tailMatches(this.#seed, bytes, view)) break;
      if (type === REVOKE_BLOCK) {
        for (const block of this.#sb.revokes(view)) pending.revoked.push(block);
      } else if (type !== DESCRIPTOR_BLOCK) break;
      else {
        const read = yield* this.#copiesOf(bytes.slice(), sequence, pending);
        if (read < 0) return read;
        if (read === 0) break;
      }
    }
    return transactions;
  }

  /** Puts the copies where they belong. @returns blocks written; -EIO */
  *restore(cache: BlockCache): Op<number> {
    const copies = [...this.#copies].sort((a, b) => a[1].position - b[1].position);
    for (let at = 0; at < copies.length; at += BATCH) {
      const images: BlockImage[] = [];
      for (const [block, { position, escaped }] of copies.slice(at, at + BATCH)) {
        const bytes = yield* this.#reader.block(position);
        if (typeof bytes === 'number') return bytes;
        const image = bytes.slice();
        if (escaped) image.set(MAGIC_BYTES);
        images.push([block, image]);
      }
      images.sort((a, b) => a[0] - b[0]);
      const written = yield* cache.writeHome(images);
      if (written < 0) return written;
    }
    return copies.length;
  }

  *#next(): Op<Uint8Array | number> {
    const position = this.#position;
    this.#left--;
    this.#position = position + 1 < this.#sb.length ? position + 1 : this.#sb.first;
    return yield* this.#reader.block(position);
  }

  /** The copies that follow a descriptor. @returns 1; 0 for one that is not what was written; -EIO */
  *#copiesOf(descriptor: Uint8Array, sequence: number, pending: Pending): Op<number> {
    for (const { block, flags, checksum } of this.#sb.tags(new DataView(descriptor.buffer))) {
      if (this.#left <= 0) return 0;
      const position = this.#position;
      const bytes = yield* this.#next();
      if (typeof bytes === 'number') return bytes;
      if (block >= this.#fsBlocks) return 0;
      if (this.#sb.tagChecksum(this.#seed, sequence, bytes) !== checksum && this.#sb.hasChecksums) return 0;
      pending.copies.push([block, { position, escaped: (flags & FLAG_ESCAPE) !== 0 }]);
    }
    return 1;
  }

  #committed({ copies, revoked }: Pending): void {
    for (const [block, copy] of copies) this.#copies.set(block, copy);
    for (const block of revoked) this.#copies.delete(block);
  }
}

/**
 * Brings the file system to where the last committed transaction left it. Doing it again does no harm.
 * @param fsBlocks blocks of the file system
 * @returns what there was, or -EIO
 */
export function* replay(
  area: JournalArea,
  sb: JournalSuperblock,
  cache: BlockCache,
  fsBlocks: number,
): Op<Replayed | number> {
  if (sb.start === 0) return { transactions: 0, blocks: 0, sequence: sb.sequence };
  const work = new Replay(area, sb, fsBlocks);
  const transactions = yield* work.scan();
  if (transactions < 0) return -E.IO;
  const blocks = yield* work.restore(cache);
  if (blocks < 0) return -E.IO;
  // What was not committed may lie behind the end with the next number; the one after it does not.
  return { transactions, blocks, sequence: (sb.sequence + transactions + 1) >>> 0 };
}
