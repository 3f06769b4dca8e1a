import { openSync, readFileSync, statSync } from 'node:fs';
import { FileBlockStore } from '@domu/backends/node';
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

/** Opens a disk image. Errors: UserError */
export function openDisk(
  path: string,
  where: string,
  options: { readonly readonly: boolean },
): FileBlockStore {
  const verb = options.readonly ? 'read' : 'opened for writing';
  let store: FileBlockStore;
  try {
    store = new FileBlockStore(path, options);
  } catch (error) {
    throw unusable(error, path, where, verb, 'a raw disk image');
  }
  if (store.sectors > 0) return store;
  store.close();
  throw new UserError(`${where}: ${path} holds no sector of 512 bytes; expected a raw disk image`);
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
