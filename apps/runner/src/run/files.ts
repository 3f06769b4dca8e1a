import { openSync, readFileSync, statSync } from 'node:fs';
import { type DiskImage, type ImageFormat, OverlayStore, openImage } from '@domu/backends';
import { NodeImages } from '@domu/backends/node';
import { UserError } from '../user-error.ts';

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EISDIR: 'it is a directory',
  ENOTDIR: 'part of the path is not a directory',
  EINVAL: 'it is not a regular file',
  EROFS: 'the file system is read-only',
  ENXIO: 'it is not a regular file',
};

/** The `where` of the command's own argument: its file name says enough. */
export const NOWHERE = '';

/** Puts the place of a setting before a text, when it has one. */
export function blame(where: string, text: string): string {
  return where === NOWHERE ? text : `${where}: ${text}`;
}

/**
 * Reads a whole file.
 * @param where what to blame in an error: "guest.cfg:3:10: kernel" or "--kernel"
 * @param expected what the file should have been
 * Errors: UserError
 */
export function readInput(path: string, where: string, expected: string): Uint8Array {
  try {
    // A FIFO or device would block or never end.
    if (!statSync(path).isFile()) throw Object.assign(new Error('not a file'), { code: statCode(path) });
    return readFileSync(path);
  } catch (error) {
    throw unusable(error, path, where, 'read', expected);
  }
}

/** How a disk is used. */
export interface DiskUse {
  readonly format: ImageFormat;
  readonly readonly: boolean;
  /** What the guest writes stays in memory; the file is only read. */
  readonly snapshot: boolean;
}

const EXPECTED: Readonly<Record<ImageFormat, string>> = {
  raw: 'a raw disk image',
  qcow2: 'a qcow2 image',
};

/** Opens a disk image with what lies below it. Errors: UserError */
export function openDisk(path: string, where: string, { format, readonly, snapshot }: DiskUse): DiskImage {
  const writable = !readonly && !snapshot;
  const verb = writable ? 'opened for writing' : 'read';
  let image: DiskImage | string;
  try {
    image = openImage(new NodeImages(), path, { format, readonly: !writable });
  } catch (error) {
    throw unusable(error, path, where, verb, EXPECTED[format]);
  }
  if (typeof image === 'string') throw new UserError(`${where}: ${image}`);
  if (image.sectors === 0) {
    image.close();
    throw new UserError(`${where}: ${path} holds no sector of 512 bytes; expected ${EXPECTED[format]}`);
  }
  return snapshot && !readonly ? new OverlayStore(image) : image;
}

/** Opens a file for writing, emptied. @returns its descriptor. Errors: UserError */
export function openOutput(path: string, where: string): number {
  try {
    return openSync(path, 'w');
  } catch (error) {
    throw unusable(error, path, where, 'written', 'a file that can be written');
  }
}

function statCode(path: string): string {
  return statSync(path).isDirectory() ? 'EISDIR' : 'EINVAL';
}

function unusable(error: unknown, path: string, where: string, verb: string, expected: string): UserError {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (code === '') throw error;
  const reason = REASONS[code] ?? code;
  return new UserError(blame(where, `${path} cannot be ${verb} (${reason}); expected ${expected}`));
}
