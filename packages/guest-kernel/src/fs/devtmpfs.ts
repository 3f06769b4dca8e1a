/** /dev as the kernel fills it. */
import { makeDev, S_IFBLK, S_IFCHR } from '../abi/stat.ts';
import { KERNEL_CALLER, ROOT_CREDENTIALS, runSync } from './kernel-caller.ts';
import { Tmpfs } from './tmpfs.ts';
import type { Time } from './types.ts';

const CHARACTER_NODES: readonly (readonly [
  name: string,
  major: number,
  minor: number,
  permissions: number,
])[] = [
  ['null', 1, 3, 0o666],
  ['zero', 1, 5, 0o666],
  ['full', 1, 7, 0o666],
  ['random', 1, 8, 0o666],
  ['urandom', 1, 9, 0o666],
  ['kmsg', 1, 11, 0o644],
  ['tty', 5, 0, 0o666],
  ['console', 5, 1, 0o600],
  ['ptmx', 5, 2, 0o666],
];

export class Devtmpfs extends Tmpfs {
  constructor(dev: number, now: () => Time) {
    super({ type: 'devtmpfs', dev, now, maxBytes: 1 << 20, maxInodes: 4096, mode: 0o755 });
    for (const [name, major, minor, permissions] of CHARACTER_NODES) {
      this.addNode(name, S_IFCHR | permissions, major, minor);
    }
    for (const directory of ['pts', 'shm']) runSync(this.root.mkdir(directory, 0o755, ROOT_CREDENTIALS));
  }

  /** Makes a node when a device appears. Does nothing if the name is taken. */
  addNode(name: string, mode: number, major: number, minor: number): void {
    runSync(this.root.create(name, mode, makeDev(major, minor), KERNEL_CALLER.cred));
  }

  addDisk(name: string, major: number, minor: number): void {
    this.addNode(name, S_IFBLK | 0o660, major, minor);
  }

  removeNode(name: string): void {
    runSync(this.root.unlink(name));
  }
}
