/** Telling those who watch files and directories what happens to them: inotify(7), Linux fs/notify/fsnotify.c. */

import { O_ACCMODE, O_PATH, O_RDONLY } from '../abi/fcntl.ts';
import {
  IN_ATTRIB,
  IN_CLOSE_NOWRITE,
  IN_CLOSE_WRITE,
  IN_CREATE,
  IN_DELETE,
  IN_DELETE_SELF,
  IN_ISDIR,
  IN_MOVE_SELF,
  IN_MOVED_FROM,
  IN_MOVED_TO,
} from '../abi/inotify.ts';
import { isDirectory } from '../abi/stat.ts';
import type { ByteString, FileHandle, Inode, Path } from './types.ts';

/** Something happened in a directory to what is called `name` there. */
function inDirectory(dir: Inode, name: ByteString, child: Inode, mask: number, cookie = 0): void {
  if (dir.watches === undefined) return;
  const bits = mask | (isDirectory(child) ? IN_ISDIR : 0);
  for (const watch of [...dir.watches]) watch.notify(bits, name, cookie);
}

/** Something happened to a file itself. */
function toItself(inode: Inode, mask: number): void {
  if (inode.watches === undefined) return;
  const bits = mask | (isDirectory(inode) && mask !== IN_DELETE_SELF && mask !== IN_MOVE_SELF ? IN_ISDIR : 0);
  for (const watch of [...inode.watches]) watch.notify(bits, '', 0);
}

/** Something was done with a file that was reached by a path: its directory hears of it as well. */
export function notify({ inode, entry, mount }: Path, mask: number): void {
  const parent = entry === undefined ? undefined : (entry.parent?.inode ?? mount.root);
  if (parent !== undefined && entry !== undefined) inDirectory(parent, entry.name, inode, mask);
  toItself(inode, mask);
}

/** As {@link notify}, for an open file. */
export function notifyHandle({ path }: FileHandle, mask: number): void {
  if (path !== undefined) notify(path, mask);
}

/** The last holder of an open file is gone. */
export function notifyClosed({ path, flags }: FileHandle): void {
  if (path === undefined || (flags & O_PATH) !== 0) return;
  notify(path, (flags & O_ACCMODE) === O_RDONLY ? IN_CLOSE_NOWRITE : IN_CLOSE_WRITE);
  if (path.inode.nlink === 0 && !isOpen(path)) toItself(path.inode, IN_DELETE_SELF);
}

/** Whether somebody else has it open. Paths are unpinned after they are told of. */
function isOpen({ inode, mount }: Path): boolean {
  let holders = 0;
  for (const [path, count] of mount.pins) if (path.inode === inode) holders += count;
  return holders > 1;
}

export function notifyCreated(dir: Inode, name: ByteString, child: Inode): void {
  inDirectory(dir, name, child, IN_CREATE);
}

/** A file has another name. */
export function notifyLinked(dir: Inode, name: ByteString, child: Inode): void {
  toItself(child, IN_ATTRIB);
  notifyCreated(dir, name, child);
}

/** A name is gone, and the file, when that was its last and nobody has it open. */
export function notifyRemoved(dir: Inode, name: ByteString, { inode: child, mount }: Path): void {
  if (dir.watches === undefined && child.watches === undefined) return;
  if (!isDirectory(child)) toItself(child, IN_ATTRIB);
  const isHeld = [...mount.pins.keys()].some((path) => path.inode === child);
  const isGone = isDirectory(child) || child.nlink === 0;
  if (isGone && !isHeld) toItself(child, IN_DELETE_SELF);
  inDirectory(dir, name, child, IN_DELETE);
}

/** @param cookie joins the two halves */
export function notifyMoved(
  from: { readonly dir: Inode; readonly name: ByteString },
  to: { readonly dir: Inode; readonly name: ByteString },
  child: Inode,
  cookie: number,
): void {
  inDirectory(from.dir, from.name, child, IN_MOVED_FROM, cookie);
  inDirectory(to.dir, to.name, child, IN_MOVED_TO, cookie);
  toItself(child, IN_MOVE_SELF);
}

/** What was moved over is gone. */
export function notifyReplaced({ inode, mount }: Path): void {
  if (inode.watches === undefined) return;
  if (!isDirectory(inode)) toItself(inode, IN_ATTRIB);
  const isHeld = [...mount.pins.keys()].some((path) => path.inode === inode);
  if ((isDirectory(inode) || inode.nlink === 0) && !isHeld) toItself(inode, IN_DELETE_SELF);
}
