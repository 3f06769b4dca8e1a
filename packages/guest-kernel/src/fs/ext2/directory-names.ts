/** The names in a directory: found, put in and taken out, by the index or block by block. */
import { fromByteString } from '../../abi/bytes.ts';
import { E } from '../../abi/errno.ts';
import type { Op } from '../../task/wait.ts';
import type { ByteString } from '../types.ts';
import type { Block } from './block-cache.ts';
import {
  type BlockEntry,
  entriesOf,
  findEntry,
  insertEntry,
  putEntry,
  removeEntry,
} from './directory-block.ts';
import { DirectoryData } from './directory-data.ts';
import { COMPAT_DIR_INDEX } from './features.ts';
import { HashIndex } from './hash-index.ts';
import type { Ext2Inode } from './inode.ts';

const DOT_BYTES = 12;

/** Where a name is. */
export interface Found {
  readonly block: Block;
  readonly offset: number;
  readonly ino: number;
}

/** What a name leads to. `fileType` is an EXT2_FT_ number. */
export interface Target {
  readonly ino: number;
  readonly fileType: number;
}

export class DirectoryNames {
  readonly #data: DirectoryData;
  readonly #index: HashIndex;
  readonly #hasFileType: boolean;
  /** Before this block there was no room for a name when one was last put in. */
  #insertFrom = 0;

  constructor(inode: Ext2Inode) {
    this.#data = new DirectoryData(inode);
    this.#index = new HashIndex(this.#data);
    this.#hasFileType = inode.volume.sb.hasFileType;
  }

  /** The block that holds `.` and `..` of a new directory. */
  *initialise(parent: number, fileType: number): Op<number> {
    const added = yield* this.#data.append();
    if (typeof added === 'number') return added;
    const { bytes } = added.block;
    const type = this.#hasFileType ? fileType : 0;
    const self = { ino: this.#data.inode.ino, length: DOT_BYTES, name: fromByteString('.'), fileType: type };
    putEntry(bytes, 0, self);
    const rest = this.#data.usableBytes - DOT_BYTES;
    putEntry(bytes, DOT_BYTES, { ino: parent, length: rest, name: fromByteString('..'), fileType: type });
    return 0;
  }

  /** @returns -ENOENT, -EIO */
  *find(name: ByteString): Op<Found | number> {
    const bytes = fromByteString(name);
    if (this.#data.isIndexed && name !== '.' && name !== '..') {
      const route = yield* this.#index.route(bytes);
      if (typeof route === 'number') return route;
      if (route !== undefined) {
        // As many blocks as there are: a damaged index may lead in circles.
        for (let left = this.#data.blocks; left > 0; left--) {
          const leaf = yield* this.#index.leaf(route);
          if (typeof leaf === 'number') return leaf;
          const found = this.#findIn(leaf, bytes);
          if (found !== undefined) return found;
          if (!(yield* this.#index.follow(route))) break;
        }
        return -E.NOENT;
      }
    }
    for (let index = 0; index < this.#data.blocks; index++) {
      const block = yield* this.#data.read(index);
      if (block === 0) continue;
      if (typeof block === 'number') return block;
      const found = this.#findIn(block, bytes);
      if (found !== undefined) return found;
    }
    return -E.NOENT;
  }

  /** Puts a name in; the caller has seen that it is free. @returns 0, -ENOSPC or -EIO */
  *insert(name: ByteString, target: Target): Op<number> {
    const entry = {
      ino: target.ino,
      name: fromByteString(name),
      fileType: this.#hasFileType ? target.fileType : 0,
    };
    if (this.#data.isIndexed) {
      const indexed = yield* this.#insertIndexed(entry);
      if (indexed !== 0) return Math.min(0, indexed);
      // The index cannot be used. Without it, its blocks look like unused ones, unless they have checksums.
      if (this.#data.inode.volume.sb.hasChecksums) return -E.IO;
      this.#data.isIndexed = false;
    }
    for (let index = this.#insertFrom; index < this.#data.blocks; index++) {
      const block = yield* this.#data.read(index);
      if (block === 0) continue;
      if (typeof block === 'number') return block;
      if (this.#insertInto(block, entry)) {
        this.#insertFrom = index;
        return 0;
      }
    }
    if (this.#data.blocks === 1 && (this.#data.inode.volume.sb.compat & COMPAT_DIR_INDEX) !== 0) {
      const made = yield* this.#index.make();
      if (made < 0) return made;
      if (made > 0) return Math.min(0, yield* this.#insertIndexed(entry));
    }
    const added = yield* this.#data.append();
    if (typeof added === 'number') return added;
    this.#insertFrom = added.index;
    return this.#insertInto(added.block, entry) ? 0 : -E.IO;
  }

  *remove(name: ByteString): Op<number> {
    const found = yield* this.find(name);
    if (typeof found === 'number') return found;
    removeEntry(found.block.bytes, found.offset);
    found.block.changed();
    this.#insertFrom = 0;
    return 0;
  }

  /** Makes a name mean another inode. */
  *repoint(name: ByteString, { ino, fileType }: Target): Op<number> {
    const found = yield* this.find(name);
    if (typeof found === 'number') return found;
    found.block.view.setUint32(found.offset, ino, true);
    if (this.#hasFileType) found.block.bytes[found.offset + 7] = fileType;
    found.block.changed();
    return 0;
  }

  /** @returns 0, -ENOTEMPTY or -EIO */
  *isEmpty(): Op<number> {
    let empty = true;
    const done = yield* this.list(0, ({ name }) => {
      empty = name === '.' || name === '..';
      return empty;
    });
    return done < 0 ? done : empty ? 0 : -E.NOTEMPTY;
  }

  /** Offers entries from a position in bytes on, each with that of the next. @returns 0 or -EIO */
  *list(from: number, sink: (entry: BlockEntry, next: number) => boolean): Op<number> {
    const { blockBytes } = this.#data;
    for (let index = Math.floor(from / blockBytes); index < this.#data.blocks; index++) {
      const block = yield* this.#data.read(index);
      if (block === 0) continue;
      if (typeof block === 'number') return block;
      const start = index * blockBytes;
      for (const entry of entriesOf(block.bytes, this.#hasFileType, from - start)) {
        if (entry.ino !== 0 && !sink(entry, start + entry.offset + entry.length)) return 0;
      }
    }
    return 0;
  }

  #findIn(block: Block, name: Uint8Array): Found | undefined {
    const offset = findEntry(block.bytes, name, this.#hasFileType);
    return offset < 0 ? undefined : { block, offset, ino: block.view.getUint32(offset, true) };
  }

  #insertInto(block: Block, entry: Target & { readonly name: Uint8Array }): boolean {
    const done = insertEntry(block.bytes.subarray(0, this.#data.usableBytes), this.#hasFileType, entry);
    if (done) block.changed();
    return done;
  }

  /** @returns 1; 0 if the index cannot be used; -ENOSPC, -EIO */
  *#insertIndexed(entry: Target & { readonly name: Uint8Array }): Op<number> {
    for (let attempt = 0; attempt < 3; attempt++) {
      const route = yield* this.#index.route(entry.name);
      if (route === undefined || typeof route === 'number') return route ?? 0;
      const leaf = yield* this.#index.leaf(route);
      if (typeof leaf === 'number') return leaf;
      if (this.#insertInto(leaf, entry)) return 1;
      const grown = yield* this.#index.makeRoom(route);
      if (grown < 0) return grown;
      if (grown > 0) continue;
      const half = yield* this.#index.splitLeaf(route, leaf);
      if (typeof half === 'number') return half;
      return this.#insertInto(half, entry) ? 1 : -E.IO;
    }
    return -E.IO;
  }
}
