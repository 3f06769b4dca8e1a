/**
 * From names to inodes. There is no cache of names: a {@link Path} carries the chain of entries that led to it, and the
 * VFS corrects the chains that are held when a name moves. Source for the rules: path_resolution(7), Linux fs/namei.c.
 */
import { E } from '../abi/errno.ts';
import {
  PATH_MAX,
  RESOLVE_BENEATH,
  RESOLVE_IN_ROOT,
  RESOLVE_NO_MAGICLINKS,
  RESOLVE_NO_SYMLINKS,
  RESOLVE_NO_XDEV,
} from '../abi/fcntl.ts';
import { isDirectory, isSymlink } from '../abi/stat.ts';
import type { Op } from '../task/wait.ts';
import type { Walker } from './fs-context.ts';
import { checkAccess, MAY_EXEC } from './permissions.ts';
import type { ByteString, Inode, Path } from './types.ts';

/** Most symbolic links in one walk (MAXSYMLINKS). */
const MAX_LINKS = 40;

/** The last component of a path, not looked up: where it would be, and how it is written. */
export interface LastComponent {
  readonly parent: Path;
  /** Empty for `/` alone; may be `.` or `..`. */
  readonly name: ByteString;
  /** Followed by a slash: must be a directory. */
  readonly slash: boolean;
}

/** What openat2 asks of a walk: RESOLVE_* and where the path begins. */
export interface Scope {
  readonly resolve: number;
  readonly start: Path;
}

/** One walk: it counts the links on its way. */
export class Walk {
  readonly #walker: Walker;
  readonly #resolve: number;
  /** The way up ends here. */
  readonly #root: Path;
  #links = 0;

  /** @param scope absent: anywhere */
  constructor(walker: Walker, scope?: Scope) {
    this.#walker = walker;
    this.#resolve = scope?.resolve ?? 0;
    const isScoped = (this.#resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT)) !== 0;
    this.#root = scope !== undefined && isScoped ? scope.start : walker.fs.root;
  }

  /**
   * Finds what `path` names.
   * @param start where a relative path begins
   * @param follow follow a symbolic link in the last place
   * Errors: -ENOENT, -ENOTDIR, -EACCES, -ELOOP, -ENAMETOOLONG
   */
  *find(start: Path, path: ByteString, follow: boolean): Op<Path | number> {
    const last = yield* this.parent(start, path);
    if (typeof last === 'number') return last;
    return yield* this.finish(last, follow);
  }

  /** Walks to the directory that holds the last component of `path`. */
  *parent(start: Path, path: ByteString): Op<LastComponent | number> {
    if (path.length === 0) return -E.NOENT;
    if (path.length >= PATH_MAX) return -E.NAMETOOLONG;
    const from = this.#from(start, path);
    if (typeof from === 'number') return from;
    let at = from;
    let rest = path;
    for (;;) {
      const { name, after } = nextComponent(rest);
      const tail = skipSlashes(rest, after);
      if (!isDirectory(at.inode)) return -E.NOTDIR;
      if (tail === rest.length) return { parent: at, name, slash: tail > after };
      const step = yield* this.step(at, name);
      if (typeof step === 'number') return step;
      if (!isSymlink(step.inode)) {
        at = step;
        rest = rest.slice(tail);
        continue;
      }
      const target = yield* this.#target(step);
      if (typeof target === 'number') return target;
      if (typeof target !== 'string') {
        at = target;
        rest = rest.slice(tail);
        continue;
      }
      const next = this.#from(at, target);
      if (typeof next === 'number') return next;
      at = next;
      rest = `${target}/${rest.slice(tail)}`;
    }
  }

  /** Looks up a last component, following links in its place if `follow` (or a slash) says so. */
  *finish(last: LastComponent, follow: boolean): Op<Path | number> {
    const step = yield* this.step(last.parent, last.name);
    if (typeof step === 'number') return step;
    let found = step;
    if (isSymlink(step.inode) && (follow || last.slash)) {
      const target = yield* this.#target(step);
      if (typeof target === 'number') return target;
      if (typeof target === 'string') {
        const through = yield* this.find(last.parent, target, true);
        if (typeof through === 'number') return through;
        found = through;
      } else found = target;
    }
    return last.slash && !isDirectory(found.inode) ? -E.NOTDIR : found;
  }

  /** One component from a directory, mounts and `..` included; a link is not followed. */
  *step(at: Path, name: ByteString): Op<Path | number> {
    const dir = at.inode;
    if (!isDirectory(dir) || dir.lookup === undefined) return -E.NOTDIR;
    const denied = checkAccess(dir, this.#walker.caller.cred, MAY_EXEC);
    if (denied < 0) return denied;
    if (name === '' || name === '.') return at;
    if (name === '..') return this.#within(at, this.#up(at));
    if (name.length > dir.fs.nameMax) return -E.NAMETOOLONG;
    const inode: Inode | number = yield* dir.lookup(name);
    if (typeof inode === 'number') return inode;
    const entry = { name, parent: at.entry, inode, deleted: false };
    return this.#within(at, this.#mounts.descend({ mount: at.mount, inode, entry }));
  }

  /** Where a path begins. */
  #from(at: Path, path: ByteString): Path | number {
    if (!path.startsWith('/')) return at;
    return this.#resolve & RESOLVE_BENEATH ? -E.XDEV : this.#within(at, this.#root);
  }

  /** @returns `to`, or -EXDEV where a file system must not be left */
  #within(from: Path, to: Path | number): Path | number {
    if (!(this.#resolve & RESOLVE_NO_XDEV) || typeof to === 'number') return to;
    return to.mount === from.mount ? to : -E.XDEV;
  }

  get #mounts() {
    return this.#walker.fs.vfs.mounts;
  }

  #up(from: Path): Path | number {
    const root = this.#root;
    const atTop = this.#resolve & RESOLVE_BENEATH ? -E.XDEV : undefined;
    let at = from;
    while (at.entry === undefined) {
      if (at.mount === root.mount && at.inode === root.inode) return atTop ?? at;
      if (at.mount.at === undefined) return at;
      at = at.mount.at;
    }
    if (at.mount === root.mount && at.inode === root.inode) return atTop ?? at;
    const entry = at.entry.parent;
    return this.#mounts.descend({ mount: at.mount, inode: entry?.inode ?? at.mount.root, entry });
  }

  /** Where a link leads: a path to walk on, or the object itself. Counts it. */
  *#target(link: Path): Op<ByteString | Path | number> {
    this.#links++;
    if (this.#links > MAX_LINKS || this.#resolve & RESOLVE_NO_SYMLINKS) return -E.LOOP;
    if (link.inode.follow !== undefined) {
      const object = link.inode.follow(this.#walker.caller);
      if (object !== undefined) return this.#jump(link, object);
    }
    if (link.inode.readlink === undefined) return -E.INVAL;
    const target = yield* link.inode.readlink(this.#walker.caller);
    return target === '' ? -E.NOENT : target;
  }

  /** A link to an object, which leads anywhere. */
  #jump(link: Path, object: Path | number): Path | number {
    if (this.#resolve & RESOLVE_NO_MAGICLINKS) return -E.LOOP;
    if (this.#resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT)) return -E.XDEV;
    return this.#within(link, object);
  }

  /** The target of a link in the last place, for open with O_CREAT: where it would make a file. */
  *through(last: LastComponent, link: Path): Op<LastComponent | Path | number> {
    const target = yield* this.#target(link);
    if (typeof target !== 'string') return target;
    return yield* this.parent(last.parent, target);
  }
}

function skipSlashes(path: ByteString, from: number): number {
  let at = from;
  while (path.charCodeAt(at) === 0x2f) at++;
  return at;
}

function nextComponent(path: ByteString): { name: ByteString; after: number } {
  const start = skipSlashes(path, 0);
  const slash = path.indexOf('/', start);
  const after = slash < 0 ? path.length : slash;
  return { name: path.slice(start, after), after };
}
