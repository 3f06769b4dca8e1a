/** Which driver is behind which device number. */
import { E } from '../abi/errno.ts';
import { majorOf, minorOf, S_IFBLK, S_IFMT } from '../abi/stat.ts';
import type { Op } from '../task/wait.ts';
import type { Caller, FileHandle, Inode } from './types.ts';

/** Opens a device node. `minor` is the node's. */
export type DeviceOpener = (
  inode: Inode,
  flags: number,
  caller: Caller,
  minor: number,
) => Op<FileHandle | number>;

export class DeviceTable {
  readonly #character = new Map<number, Map<number | 'any', DeviceOpener>>();
  readonly #block = new Map<number, Map<number | 'any', DeviceOpener>>();

  /** @param minor 'any' for all minors without an opener of their own */
  addCharacter(major: number, minor: number | 'any', opener: DeviceOpener): void {
    add(this.#character, major, minor, opener);
  }

  addBlock(major: number, minor: number | 'any', opener: DeviceOpener): void {
    add(this.#block, major, minor, opener);
  }

  /** @returns -ENXIO where there is no such device */
  *open(inode: Inode, flags: number, caller: Caller): Op<FileHandle | number> {
    const table = (inode.mode & S_IFMT) === S_IFBLK ? this.#block : this.#character;
    const minors = table.get(majorOf(inode.rdev));
    const opener = minors?.get(minorOf(inode.rdev)) ?? minors?.get('any');
    if (opener === undefined) return -E.NXIO;
    return yield* opener(inode, flags, caller, minorOf(inode.rdev));
  }
}

function add(
  table: Map<number, Map<number | 'any', DeviceOpener>>,
  major: number,
  minor: number | 'any',
  opener: DeviceOpener,
): void {
  const minors = table.get(major) ?? new Map<number | 'any', DeviceOpener>();
  minors.set(minor, opener);
  table.set(major, minors);
}
