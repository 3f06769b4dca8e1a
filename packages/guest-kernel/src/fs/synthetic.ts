/** File systems whose files are made up as they are read: the ground of procfs and sysfs. */
import { fromByteString } from '../abi/bytes.ts';
import { E } from '../abi/errno.ts';
import { DT_DIR, dtOfMode, S_IFDIR, S_IFLNK, S_IFREG } from '../abi/stat.ts';
import type { Op } from '../task/wait.ts';
import { BaseHandle } from './file-handle.ts';
import { MemoryInode } from './memory-inode.ts';
import { seekTo } from './regular-file.ts';
import type {
  ByteString,
  Caller,
  EntrySink,
  FileHandle,
  FileSystem,
  FsStatistics,
  Inode,
  Path,
  Time,
} from './types.ts';

interface Common {
  /** Permission bits; 0444, 0555 or 0777 if absent. */
  readonly permissions?: number;
  readonly uid?: number;
  readonly gid?: number;
}

/** A file: its text when it is opened, and what writing does. */
export interface SyntheticFile extends Common {
  readonly kind: 'file';
  /** @returns a negative errno refuses the opening */
  read(caller: Caller): ByteString | number;
  /** @returns a negative errno, or anything else for success */
  write?(text: ByteString, caller: Caller): number;
}

export interface SyntheticLink extends Common {
  readonly kind: 'link';
  target(caller: Caller): ByteString | number;
  /** Where it leads, if that is not what the text says. */
  follow?(): Path | number | undefined;
}

export interface SyntheticDirectory extends Common {
  readonly kind: 'directory';
  names(): Iterable<ByteString>;
  find(name: ByteString): SyntheticNode | undefined;
  /** A place in listings that stays the same while other names come and go; at least 1000. Absent: its position. */
  cookie?(name: ByteString): number | undefined;
}

export type SyntheticNode = SyntheticFile | SyntheticLink | SyntheticDirectory;

/** A directory with the same names always. */
export function directory(children: Readonly<Record<ByteString, SyntheticNode>>): SyntheticDirectory {
  return {
    kind: 'directory',
    names: () => Object.keys(children),
    find: (name) => (Object.hasOwn(children, name) ? children[name] : undefined),
  };
}

/** A file whose text is made at each opening. */
export function textFile(
  read: (caller: Caller) => ByteString | number,
  more: Partial<SyntheticFile> = {},
): SyntheticFile {
  return { kind: 'file', read, ...more };
}

export class SyntheticFs implements FileSystem {
  readonly type: string;
  readonly dev: number;
  readonly readonly = false;
  readonly options = '';
  readonly nameMax = 255;
  readonly root: Inode;
  readonly now: () => Time;
  readonly #magic: number;
  /** Inodes that somebody holds, by path. */
  readonly #held = new Map<ByteString, SyntheticInode>();

  constructor(type: string, magic: number, dev: number, now: () => Time, root: SyntheticDirectory) {
    this.type = type;
    this.dev = dev;
    this.now = now;
    this.#magic = magic;
    this.root = new DirectoryInode(this, '', root, 1);
  }

  inode(path: ByteString, node: SyntheticNode): Inode {
    const held = this.#held.get(path);
    if (held !== undefined) return held;
    const ino = inoOf(path);
    if (node.kind === 'directory') return new DirectoryInode(this, path, node, ino);
    return node.kind === 'link' ? new LinkInode(this, path, node, ino) : new FileInode(this, path, node, ino);
  }

  remember(inode: SyntheticInode): void {
    this.#held.set(inode.path, inode);
  }

  forget(inode: SyntheticInode): void {
    if (this.#held.get(inode.path) === inode) this.#held.delete(inode.path);
  }

  statistics(): FsStatistics {
    const none = { blocks: 0, blocksFree: 0, blocksAvailable: 0, files: 0, filesFree: 0 };
    return { magic: this.#magic, blockBytes: 4096, ...none, nameMax: this.nameMax };
  }

  *sync(): Op<number> {
    return 0;
  }

  *unmount(): Op<number> {
    return 0;
  }
}

/** An inode number that stays the same for a path (FNV-1a). */
function inoOf(path: ByteString): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < path.length; at++) hash = Math.imul(hash ^ path.charCodeAt(at), 0x01000193);
  return (hash >>> 0) | 2;
}

class SyntheticInode extends MemoryInode {
  readonly path: ByteString;
  protected readonly synthetic: SyntheticFs;

  constructor(fs: SyntheticFs, path: ByteString, ino: number, mode: number, node: Common) {
    super({ fs, ino, mode, uid: node.uid ?? 0, gid: node.gid ?? 0, now: fs.now() });
    this.path = path;
    this.synthetic = fs;
  }

  override get blockBytes(): number {
    return 1024;
  }

  override hold(): void {
    super.hold();
    this.synthetic.remember(this);
  }

  override drop(): void {
    super.drop();
    if (this.holders === 0) this.synthetic.forget(this);
  }
}

class LinkInode extends SyntheticInode {
  readonly #node: SyntheticLink;

  constructor(fs: SyntheticFs, path: ByteString, node: SyntheticLink, ino: number) {
    super(fs, path, ino, S_IFLNK | (node.permissions ?? 0o777), node);
    this.#node = node;
  }

  *readlink(caller: Caller): Op<ByteString | number> {
    return this.#node.target(caller);
  }

  follow(): Path | number | undefined {
    return this.#node.follow?.();
  }
}

class FileInode extends SyntheticInode {
  readonly #node: SyntheticFile;

  constructor(fs: SyntheticFs, path: ByteString, node: SyntheticFile, ino: number) {
    super(fs, path, ino, S_IFREG | (node.permissions ?? 0o444), node);
    this.#node = node;
  }

  *open(flags: number, caller: Caller): Op<FileHandle | number> {
    const text = this.#node.read(caller);
    return typeof text === 'number' ? text : new SyntheticHandle(this, this.#node, text, flags);
  }

  /** Opening with O_TRUNC before writing is allowed. */
  *truncate(): Op<number> {
    return 0;
  }
}

class SyntheticHandle extends BaseHandle {
  readonly kind = 'file';
  readonly #node: SyntheticFile;
  #bytes: Uint8Array;
  #fresh = true;

  constructor(inode: Inode, node: SyntheticFile, text: ByteString, flags: number) {
    super(inode, flags);
    this.#node = node;
    this.#bytes = fromByteString(text);
  }

  override *read(into: Uint8Array, pos: number | undefined, caller: Caller): Op<number> {
    const at = pos ?? this.pos;
    if (at === 0 && !this.#fresh) {
      const text = this.#node.read(caller);
      if (typeof text === 'number') return text;
      this.#bytes = fromByteString(text);
    }
    this.#fresh = false;
    const part = this.#bytes.subarray(at, at + into.length);
    into.set(part);
    if (pos === undefined) this.pos = at + part.length;
    return part.length;
  }

  override *write(from: Uint8Array, _pos: number | undefined, caller: Caller): Op<number> {
    if (this.#node.write === undefined) return -E.IO;
    const text = String.fromCharCode(...from.subarray(0, 4096));
    const result = this.#node.write(text, caller);
    return result < 0 ? result : from.length;
  }

  *seek(offset: number, whence: number): Op<number> {
    const target = seekTo(offset, whence, this.pos, 0);
    if (target >= 0) this.pos = target;
    return target;
  }
}

class DirectoryInode extends SyntheticInode {
  readonly #node: SyntheticDirectory;

  constructor(fs: SyntheticFs, path: ByteString, node: SyntheticDirectory, ino: number) {
    super(fs, path, ino, S_IFDIR | (node.permissions ?? 0o555), node);
    this.#node = node;
    this.nlink = 2;
  }

  *lookup(name: ByteString): Op<Inode | number> {
    const node = this.#node.find(name);
    return node === undefined ? -E.NOENT : this.synthetic.inode(`${this.path}/${name}`, node);
  }

  *list(cookie: number, sink: EntrySink): Op<number> {
    if (cookie <= 0 && !sink({ name: '.', ino: this.ino, type: DT_DIR, next: 1 })) return 0;
    if (cookie <= 1 && !sink({ name: '..', ino: this.ino, type: DT_DIR, next: 2 })) return 0;
    let position = 1;
    for (const name of this.#node.names()) {
      position++;
      const at = this.#node.cookie?.(name) ?? position;
      if (at < cookie) continue;
      const node = this.#node.find(name);
      if (node === undefined) continue;
      const type = node.kind === 'directory' ? S_IFDIR : node.kind === 'link' ? S_IFLNK : S_IFREG;
      if (!sink({ name, ino: inoOf(`${this.path}/${name}`), type: dtOfMode(type), next: at + 1 })) return 0;
    }
    return 0;
  }
}
