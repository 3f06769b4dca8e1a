import { lstatSync, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { type ArchiveMember, writeCpio } from '@domu/guest-kernel';
import { UserError } from '../user-error.ts';
import { readTar } from './tar.ts';

/** What --rootfs names: files to be unpacked into memory, or a disk to mount. */
export type Rootfs = { readonly kind: 'archive'; readonly bytes: Uint8Array } | { readonly kind: 'disk' };

const S_IFMT = 0o170_000;
const S_IFREG = 0o100_000;
const S_IFDIR = 0o040_000;
const S_IFLNK = 0o120_000;
/** ext2's superblock, and its magic number in it. */
const EXT2_MAGIC_AT = 1024 + 56;
const EXT2_MAGIC = 0xef53;
const TAR_MAGIC_AT = 257;

/** Errors: UserError, one line */
export function readRootfs(path: string): Rootfs {
  try {
    if (statSync(path).isDirectory()) return { kind: 'archive', bytes: writeCpio([...walk(path, '')]) };
    const file = readFileSync(path);
    if (file.length > EXT2_MAGIC_AT + 2 && file.readUInt16LE(EXT2_MAGIC_AT) === EXT2_MAGIC)
      return { kind: 'disk' };
    const bytes = file[0] === 0x1f && file[1] === 0x8b ? gunzipSync(file) : file;
    if (bytes.toString('latin1', 0, 6) === '070701') return { kind: 'archive', bytes };
    if (bytes.toString('latin1', TAR_MAGIC_AT, TAR_MAGIC_AT + 5) === 'ustar')
      return { kind: 'archive', bytes: writeCpio(readTar(bytes)) };
  } catch (error) {
    throw new UserError(`--rootfs: ${path} cannot be read (${reasonOf(error)}); expected ${EXPECTED}`);
  }
  throw new UserError(`--rootfs: ${path} is none of what it may be; expected ${EXPECTED}`);
}

const EXPECTED = 'a directory, a tar or cpio archive (plain or gzip), or an ext2 image';

function reasonOf(error: unknown): string {
  if (error instanceof Error && 'code' in error) return String(error.code);
  return error instanceof Error ? error.message : String(error);
}

/** A tree of the host, as root would own it; sockets, pipes and devices are left out. */
function* walk(root: string, below: string): Generator<ArchiveMember> {
  for (const entry of readdirSync(join(root, below)).sort()) {
    const name = below === '' ? entry : `${below}/${entry}`;
    const path = join(root, name);
    const { mode } = lstatSync(path);
    const type = mode & S_IFMT;
    if (type === S_IFDIR) {
      yield { name, mode };
      yield* walk(root, name);
    } else if (type === S_IFLNK) yield { name, mode, data: Buffer.from(readlinkSync(path)) };
    else if (type === S_IFREG) yield { name, mode, data: readFileSync(path) };
  }
}
