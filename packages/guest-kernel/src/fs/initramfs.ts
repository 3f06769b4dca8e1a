/** Unpacks an initramfs into the tree. */
import { gunzipSync } from 'fflate';
import { toByteString } from '../abi/bytes.ts';
import { O_CREAT, O_NOFOLLOW, O_TRUNC, O_WRONLY } from '../abi/fcntl.ts';
import { makeDev, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from '../abi/stat.ts';
import { type CpioMember, readCpio } from './cpio.ts';
import { letGo } from './file-handle.ts';
import type { FsContext, Walker } from './fs-context.ts';
import { KERNEL_CALLER, runSync } from './kernel-caller.ts';
import { makeDirectory, makeLink, makeNode, makeSymlink, removeName } from './tree-changes.ts';
import { Walk } from './walk.ts';

/**
 * Unpacks cpio archives (newc, plain or gzip) at the root of `fs`, which must be in memory.
 * @returns what is wrong with the image, in the words of Linux where it has some; what came before is unpacked
 */
export function unpackInitramfs(fs: FsContext, image: Uint8Array): string | undefined {
  let archive = image;
  if (image[0] === 0x1f && image[1] === 0x8b) {
    const unpacked = gunzip(image);
    if (typeof unpacked === 'string') return unpacked;
    archive = unpacked;
  } else if (image.length > 0 && image[0] !== 0x30 && image[0] !== 0) {
    return 'compression method not supported, or junk at the start of the archive';
  }
  const { members, error } = readCpio(archive);
  const walker: Walker = { fs, caller: KERNEL_CALLER };
  const umask = fs.umask;
  fs.umask = 0;
  const links = new Map<string, string>();
  for (const member of members) runSync(unpackMember(walker, member, links));
  // What was put into a directory has changed its times.
  for (const member of members) {
    if ((member.mode & S_IFMT) === S_IFDIR) runSync(setAttributes(walker, member));
  }
  fs.umask = umask;
  return error;
}

function gunzip(image: Uint8Array): Uint8Array | string {
  try {
    return gunzipSync(image);
  } catch (error) {
    return `gzip: ${error instanceof Error ? error.message : 'bad data'}`;
  }
}

function* unpackMember(walker: Walker, member: CpioMember, links: Map<string, string>) {
  const { fs } = walker;
  const path = absolute(member.name);
  const type = member.mode & S_IFMT;
  if (type === S_IFDIR) yield* makeDirectory(walker, fs.root, path, 0o755);
  else if (type === S_IFLNK) {
    yield* removeName(walker, fs.root, path);
    yield* makeSymlink(walker, toByteString(member.data), fs.root, path);
  } else if (type === S_IFREG) yield* unpackFile(walker, member, path, links);
  else {
    yield* removeName(walker, fs.root, path);
    yield* makeNode(walker, fs.root, path, member.mode, makeDev(member.rdevMajor, member.rdevMinor));
  }
  yield* setAttributes(walker, member);
}

function* setAttributes(walker: Walker, member: CpioMember) {
  const { fs } = walker;
  const made = yield* new Walk(walker).find(fs.root, absolute(member.name), false);
  if (typeof made === 'number') return;
  const time = BigInt(member.mtime) * 1_000_000_000n;
  const link = (member.mode & S_IFMT) === S_IFLNK;
  const permissions = link ? 0o777 : member.mode & 0o7777;
  const { uid, gid } = member;
  yield* made.inode.setAttributes({ permissions, uid, gid, atime: time, mtime: time });
}

const absolute = (name: string): string => `/${name.replace(/^\/+/, '')}`;

/** A file, or one more name of a file that came before. Of hard links, only one carries the data. */
function* unpackFile(walker: Walker, member: CpioMember, path: string, links: Map<string, string>) {
  const { fs } = walker;
  const key = `${member.devMajor}:${member.devMinor}:${member.ino}`;
  const first = member.nlink > 1 ? links.get(key) : undefined;
  if (first === undefined) {
    if (member.nlink > 1) links.set(key, path);
  } else {
    yield* removeName(walker, fs.root, path);
    const source = yield* new Walk(walker).find(fs.root, first, false);
    if (typeof source !== 'number') yield* makeLink(walker, source, fs.root, path);
    if (member.data.length === 0) return;
  }
  const flags = O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW;
  const handle = yield* fs.vfs.open(walker, fs.root, path, flags, member.mode & 0o7777);
  if (typeof handle === 'number') return;
  yield* handle.write(member.data, undefined, walker.caller);
  letGo(handle);
}
