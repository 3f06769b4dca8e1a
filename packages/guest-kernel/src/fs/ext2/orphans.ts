/**
 * Inodes that have lost their last name and are still in use: a list on the disk, so that they are freed after a crash.
 * The superblock names the first, the i_dtime of each the next. Source: Linux fs/ext4/orphan.c.
 */
import type { Superblock } from './superblock.ts';

/** What of an inode the list needs. */
export interface Orphan {
  readonly ino: number;
  readonly fields: { dtime: number };
  /** Its record has to be written. */
  changed(): void;
}

export class Orphans {
  readonly #sb: Superblock;
  /** As on the disk, the first one first. */
  readonly #list: Orphan[] = [];

  constructor(sb: Superblock) {
    this.#sb = sb;
  }

  /** Under the lock. */
  add(inode: Orphan): void {
    inode.fields.dtime = this.#list[0]?.ino ?? 0;
    inode.changed();
    this.#list.unshift(inode);
    this.#sb.lastOrphan = inode.ino;
  }

  /** Takes an inode off the list, if it is on it; under the lock. The caller sets its i_dtime. */
  remove(inode: Orphan): void {
    const place = this.#list.indexOf(inode);
    if (place < 0) return;
    const next = this.#list[place + 1]?.ino ?? 0;
    const before = this.#list[place - 1];
    this.#list.splice(place, 1);
    if (before === undefined) {
      this.#sb.lastOrphan = next;
      return;
    }
    before.fields.dtime = next;
    before.changed();
  }
}
