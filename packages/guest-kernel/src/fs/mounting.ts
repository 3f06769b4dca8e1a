/** Mounting and unmounting. Source: mount(2), umount(2), pivot_root(2). */
import { E } from '../abi/errno.ts';
import {
  MS_BIND,
  MS_KEPT,
  MS_MOVE,
  MS_NOATIME,
  MS_PRIVATE,
  MS_RDONLY,
  MS_RELATIME,
  MS_REMOUNT,
  MS_SHARED,
  MS_SLAVE,
  MS_STRICTATIME,
  MS_UNBINDABLE,
} from '../abi/mount.ts';
import { isDirectory } from '../abi/stat.ts';
import type { Op } from '../task/wait.ts';
import type { Walker } from './fs-context.ts';
import type { ByteString, FileSystem, Path } from './types.ts';
import { Walk } from './walk.ts';

/** What a type of file system is mounted from. */
export interface MountRequest {
  readonly source: ByteString;
  readonly target: Path;
  readonly type: ByteString;
  readonly flags: number;
  /** Options of the file system: "size=10%,mode=755". */
  readonly data: ByteString;
}

/** Makes a file system of one type. Errors: -EINVAL no such file system there, -ENOENT, -ENOTBLK … */
export type FileSystemType = {
  readonly needsDevice: boolean;
  mount(walker: Walker, source: ByteString, data: ByteString, readonly: boolean): Op<FileSystem | number>;
};

/** The mounted root that `path` is, if it is one. */
function isMountRoot(path: Path): boolean {
  return path.entry === undefined && path.inode === path.mount.root;
}

/** mount(2), its arguments found and privilege checked. */
export function* mount(walker: Walker, request: MountRequest): Op<number> {
  const { vfs } = walker.fs;
  const { source, target, type, flags, data } = request;
  if ((flags & MS_REMOUNT) !== 0) return yield* remount(request);
  if ((flags & (MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE)) !== 0) return 0;
  if ((flags & (MS_BIND | MS_MOVE)) !== 0) {
    const from = yield* new Walk(walker).find(walker.fs.cwd, source, true);
    if (typeof from === 'number') return from;
    if (isDirectory(from.inode) !== isDirectory(target.inode)) return -E.NOTDIR;
    if ((flags & MS_MOVE) !== 0) return vfs.mounts.move(from.mount, isMountRoot(from), target);
    vfs.mounts.add(from.mount.fs, target, from.mount.source, from.mount.flags, from.inode);
    return 0;
  }
  const made = vfs.fileSystemTypes.get(type);
  if (made === undefined) return -E.NODEV;
  if (!isDirectory(target.inode)) return -E.NOTDIR;
  const fs = yield* made.mount(walker, source, data, (flags & MS_RDONLY) !== 0);
  if (typeof fs === 'number') return fs;
  if (isMountRoot(target) && target.mount.fs === fs) return -E.BUSY;
  const atime = (flags & (MS_NOATIME | MS_STRICTATIME)) === 0 ? MS_RELATIME : 0;
  vfs.mounts.add(fs, target, source === '' ? 'none' : source, (flags & MS_KEPT) | atime);
  return 0;
}

function* remount({ target, flags }: MountRequest): Op<number> {
  if (!isMountRoot(target)) return -E.INVAL;
  const { mount: mounted } = target;
  const readonly = (flags & MS_RDONLY) !== 0;
  if ((flags & MS_BIND) === 0 && mounted.fs.remount !== undefined) {
    const done = yield* mounted.fs.remount(readonly);
    if (done < 0) return done;
  }
  mounted.flags = flags & MS_KEPT;
  return 0;
}

/** umount2(2). Errors: -EINVAL not a mount point, -EBUSY. @param detach take it out of the tree even if it is in use */
export function* unmount(walker: Walker, target: Path, detach: boolean): Op<number> {
  const { mounts } = walker.fs.vfs;
  if (!isMountRoot(target)) return -E.INVAL;
  const { mount: mounted } = target;
  if (mounted.at === undefined) return detach ? -E.INVAL : -E.BUSY;
  if (!detach && (mounted.pins.size > 0 || mounts.hasChildren(mounted))) return -E.BUSY;
  mounts.remove(mounted);
  if (mounts.isUsed(mounted.fs)) return 0;
  return yield* mounted.pins.size > 0 ? mounted.fs.sync() : mounted.fs.unmount();
}

/** pivot_root(2): the new root takes the place of the old, which moves to `old`. */
export function pivotRoot(walker: Walker, root: Path, old: Path): number {
  const { mounts } = walker.fs.vfs;
  if (!isMountRoot(root) || root.mount === walker.fs.root.mount || root.mount.at === undefined)
    return -E.INVAL;
  if (walker.fs.root.mount.at === undefined && walker.fs.root.mount.fs.type === 'rootfs') return -E.INVAL;
  if (old.mount !== root.mount) return -E.INVAL;
  const former = walker.fs.root;
  const place = former.mount.at;
  mounts.setPlace(root.mount, place);
  mounts.setPlace(former.mount, isMountRoot(old) ? undefined : old);
  walker.fs.root = { mount: root.mount, inode: root.inode, entry: undefined };
  return 0;
}
