/**
 * The blocks of a regular file. What is written into the page cache gets a promise of space only; its place on the disk
 * is chosen when pages are written, together, so that they lie together, and the map shows no block before its data is
 * there: the order that a journal needs. Source: Linux fs/ext4/inode.c, "delayed allocation".
 */
import { E } from '../../abi/errno.ts';
import type { Op } from '../../task/wait.ts';
import { PAGE_BYTES } from '../types.ts';
import type { FileMap, MappedFile, Mapping } from './file-map.ts';
import type { DelayedFile, Volume } from './volume.ts';

/** What this needs of its file. */
export interface BlockedFile extends MappedFile, DelayedFile {
  readonly volume: Volume;
  readonly size: number;
  readonly diskSize: number;
  /** Data up to `size` is on the disk. */
  wrote(size: number): void;
  /** The map has changed. */
  changed(): void;
}

/** Blocks without data that are written at once. */
const ZEROED_AT_ONCE = 64;

export class FileBlocks {
  readonly #file: BlockedFile;
  readonly #volume: Volume;
  readonly #promised = new Set<number>();
  /** The mapping that was found last, at its index. */
  #found: (Mapping & { readonly index: number }) | undefined;

  constructor(file: BlockedFile) {
    this.#file = file;
    this.#volume = file.volume;
  }

  /** How many blocks have a promise of space, and no place yet. */
  get promised(): number {
    return this.#promised.size;
  }

  get #map(): FileMap {
    return this.#volume.maps.of(this.#file);
  }

  /**
   * Sees to it that bytes can be written: promises space for blocks that have none, or, if there is little left, takes
   * it at once. Not under the lock.
   * @returns how many bytes from `at` on can be written, or if none -ENOSPC, -EIO
   */
  *promise(at: number, length: number): Op<number> {
    const bytes = this.#volume.blockBytes;
    const first = Math.floor(at / bytes);
    const last = Math.floor((at + length - 1) / bytes);
    let missing = yield* this.#missing(first, last);
    if (typeof missing === 'number') return missing;
    if (missing.length === 0) return length;
    if (!this.#volume.hasRoomFor(missing.length, !this.#file.hasExtents)) {
      for (const file of [...this.#volume.delayed]) yield* file.writeBack();
      if (this.#volume.groups.freedCount > 0) yield* this.#volume.transactions.commit();
      missing = yield* this.#missing(first, last);
      if (typeof missing === 'number') return missing;
    }
    if (!this.#volume.hasRoomFor(missing.length, !this.#file.hasExtents)) {
      const taken = yield* this.#takeNow(missing);
      const backed = taken < missing.length ? missing[Math.max(0, taken)]! * bytes - at : length;
      return backed > 0 ? backed : taken < 0 ? taken : -E.NOSPC;
    }
    for (const index of missing) this.#promised.add(index);
    this.#volume.promised += missing.length;
    this.#volume.delayed.add(this.#file);
    return length;
  }

  /** Gives a range blocks that read as zeros (fallocate). Not under the lock. @returns 0; -ENOSPC, -EIO */
  *reserve(at: number, length: number): Op<number> {
    for (const file of [...this.#volume.delayed]) yield* file.writeBack();
    const bytes = this.#volume.blockBytes;
    const end = Math.ceil((at + length) / bytes);
    for (let index = Math.floor(at / bytes); index < end; ) {
      const done = yield* this.#volume.locked(this.#reserve(index, end - index));
      if (done < 0) return done;
      index += done;
    }
    return 0;
  }

  *#reserve(index: number, most: number): Op<number> {
    const present = yield* this.#find(index, most);
    if (typeof present === 'number') return present;
    const count = Math.min(most, present.count);
    if (present.block !== 0) return count;
    if (!this.#volume.hasRoomFor(0, !this.#file.hasExtents) && this.#volume.promised > 0) return -E.NOSPC;
    if (!this.#file.hasExtents) return yield* this.#zeroFill(index, Math.min(count, ZEROED_AT_ONCE));
    const { groups } = this.#volume;
    const run = yield* groups.allocateRun(this.#file.goal, count);
    if (typeof run === 'number') return run;
    this.#file.goal = run.block + run.count;
    this.#found = undefined;
    const assigned = yield* this.#map.assign(this.#file, index, { ...run, unwritten: true });
    const kept = Math.max(0, assigned);
    if (kept < run.count) yield* groups.freeRun(run.block + kept, run.count - kept);
    this.#file.changed();
    return assigned;
  }

  /** Takes promises back from an index on, and before another. */
  release(first: number, end: number): void {
    const before = this.#promised.size;
    if (end - first < before) for (let index = first; index < end; index++) this.#promised.delete(index);
    else for (const index of this.#promised) if (index >= first && index < end) this.#promised.delete(index);
    this.#volume.promised -= before - this.#promised.size;
    if (this.#promised.size === 0) this.#volume.delayed.delete(this.#file);
  }

  /** The map was changed from outside. */
  forget(): void {
    this.#found = undefined;
  }

  /** Indices in first..last that have neither a block nor a promise. */
  *#missing(first: number, last: number): Op<number[] | number> {
    const missing: number[] = [];
    const mapped = Math.ceil(this.#file.diskSize / this.#volume.blockBytes);
    for (let index = first; index <= last; ) {
      if (this.#promised.has(index)) index++;
      else if (index >= mapped) missing.push(index++);
      else {
        const mapping =
          this.#known(index) ?? (yield* this.#volume.locked(this.#find(index, last - index + 1)));
        if (typeof mapping === 'number') return mapping;
        const end = Math.min(last + 1, index + mapping.count);
        for (; index < end; index++) {
          if (mapping.block === 0 && !this.#promised.has(index)) missing.push(index);
        }
      }
    }
    return missing;
  }

  /** Allocates blocks and fills them with zeros. @returns how many, or if none -ENOSPC, -EIO */
  *#takeNow(indices: readonly number[]): Op<number> {
    for (let done = 0; done < indices.length; ) {
      let count = 1;
      while (indices[done + count] === indices[done]! + count && count < ZEROED_AT_ONCE) count++;
      const taken = yield* this.#volume.locked(this.#zeroFill(indices[done]!, count));
      if (taken < 0) return done > 0 ? done : taken;
      done += taken;
    }
    return indices.length;
  }

  /** Gives some blocks from an index on a place, filled with zeros; under the lock. @returns how many, at least 1 */
  *#zeroFill(index: number, count: number): Op<number> {
    const present = yield* this.#find(index, count);
    if (typeof present === 'number') return present;
    if (present.block !== 0) return Math.min(count, present.count);
    const zeros = new Uint8Array(Math.min(count, present.count) * this.#volume.blockBytes);
    return yield* this.#writeNew(index, zeros);
  }

  /** Under the lock: reads whole pages; holes, and what is beyond the end, are zeros. */
  *read(firstPage: number, bytes: Uint8Array): Op<number> {
    const { blockBytes, device } = this.#volume;
    const start = (firstPage * PAGE_BYTES) / blockBytes;
    const end = Math.min(start + bytes.length / blockBytes, Math.ceil(this.#file.size / blockBytes));
    for (let index = start; index < end; ) {
      const mapping = yield* this.#find(index, end - index);
      if (typeof mapping === 'number') return mapping;
      const count = Math.min(mapping.count, end - index);
      const part = bytes.subarray((index - start) * blockBytes, (index - start + count) * blockBytes);
      if (mapping.block === 0 || mapping.unwritten) part.fill(0);
      else {
        const read = yield* device.read(mapping.block * (blockBytes / 512), part);
        if (read < 0) return read;
      }
      index += count;
    }
    bytes.fill(0, Math.min(bytes.length, Math.max(0, this.#file.size - firstPage * PAGE_BYTES)));
    return 0;
  }

  /** Under the lock: writes whole pages, as far as they lie before the end. */
  *write(firstPage: number, bytes: Uint8Array): Op<number> {
    const { blockBytes } = this.#volume;
    const start = (firstPage * PAGE_BYTES) / blockBytes;
    const end = Math.min(start + bytes.length / blockBytes, Math.ceil(this.#file.size / blockBytes));
    for (let index = start; index < end; ) {
      const mapping = yield* this.#find(index, end - index);
      if (typeof mapping === 'number') return mapping;
      const part = bytes.subarray((index - start) * blockBytes, (end - start) * blockBytes);
      const room = part.subarray(0, mapping.count * blockBytes);
      const done = yield* mapping.block === 0
        ? this.#fillHole(index, room)
        : this.#overwrite(index, mapping, room);
      if (done < 0) {
        // The pages count as written: nobody comes back for what was promised.
        this.release(index, end);
        return done;
      }
      this.release(index, index + done);
      index += done;
      this.#file.wrote(Math.min(this.#file.size, index * blockBytes));
    }
    return 0;
  }

  *#overwrite(index: number, { block, unwritten }: Mapping, bytes: Uint8Array): Op<number> {
    const { blockBytes, device } = this.#volume;
    const written = yield* device.write(block * (blockBytes / 512), bytes);
    if (written < 0) return written;
    const count = bytes.length / blockBytes;
    if (!unwritten) return count;
    this.#found = undefined;
    this.#file.changed();
    const marked = yield* this.#map.markWritten(this.#file, index, count);
    return marked < 0 ? marked : count;
  }

  /** Blocks that nobody has asked for and that hold zeros only stay a hole. @returns blocks that are done with */
  *#fillHole(index: number, bytes: Uint8Array): Op<number> {
    const { blockBytes } = this.#volume;
    const count = bytes.length / blockBytes;
    const wants = (place: number) => {
      if (this.#promised.has(index + place)) return true;
      for (let at = place * blockBytes; at < (place + 1) * blockBytes; at++) if (bytes[at] !== 0) return true;
      return false;
    };
    const first = wants(0);
    let like = 1;
    while (like < count && wants(like) === first) like++;
    return first ? yield* this.#writeNew(index, bytes.subarray(0, like * blockBytes)) : like;
  }

  /** Allocates blocks, writes them, then maps them. @returns blocks that are done with */
  *#writeNew(index: number, bytes: Uint8Array): Op<number> {
    const { blockBytes, device, groups } = this.#volume;
    const run = yield* groups.allocateRun(this.#file.goal, bytes.length / blockBytes);
    if (typeof run === 'number') return run;
    this.#file.goal = run.block + run.count;
    const sector = run.block * (blockBytes / 512);
    const written = yield* device.write(sector, bytes.subarray(0, run.count * blockBytes));
    this.#found = undefined;
    this.#file.changed();
    const assigned =
      written < 0 ? written : yield* this.#map.assign(this.#file, index, { ...run, unwritten: false });
    const kept = Math.max(0, assigned);
    if (kept < run.count) yield* groups.freeRun(run.block + kept, run.count - kept);
    return assigned;
  }

  #known(index: number): Mapping | undefined {
    const found = this.#found;
    if (found === undefined || index < found.index || index >= found.index + found.count) return undefined;
    const offset = index - found.index;
    const block = found.block === 0 ? 0 : found.block + offset;
    return { block, count: found.count - offset, unwritten: found.unwritten };
  }

  *#find(index: number, most: number): Op<Mapping | number> {
    const known = this.#known(index);
    if (known !== undefined) return known.count > most ? { ...known, count: most } : known;
    // Files are read on: what follows is wanted next.
    const mapping = yield* this.#map.find(this.#file, index, Math.max(most, 4096));
    if (typeof mapping === 'number') return mapping;
    this.#found = { ...mapping, index };
    return mapping.count > most ? { ...mapping, count: most } : mapping;
  }
}
