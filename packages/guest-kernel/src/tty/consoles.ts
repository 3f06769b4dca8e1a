/** The terminals that are there from the start: consoles, /dev/console, and /dev/tty as each session's own. */
import { CAP_SYS_ADMIN } from '../abi/capability.ts';
import { E } from '../abi/errno.ts';
import { O_NOCTTY } from '../abi/fcntl.ts';
import { makeDev } from '../abi/stat.ts';
import type { DeviceTable } from '../fs/devices.ts';
import { capable } from '../fs/permissions.ts';
import type { FileHandle } from '../fs/types.ts';
import type { Op } from '../task/wait.ts';
import { adoptTerminal } from './job-control.ts';
import { Tty, type TtyKernel, type TtyLine } from './tty.ts';
import { TtyFile } from './tty-file.ts';

/** Major number of the Xen console's devices, hvc0 and on. */
const HVC_MAJOR = 229;

export class Consoles {
  readonly #devices: DeviceTable;
  readonly #kernel: TtyKernel;
  readonly #ttys: Tty[] = [];

  constructor(devices: DeviceTable, kernel: TtyKernel) {
    this.#devices = devices;
    this.#kernel = kernel;
    devices.addCharacter(5, 0, function* (inode, flags, caller): Op<FileHandle | number> {
      const { terminal } = caller;
      return terminal instanceof Tty ? new TtyFile(terminal, inode, flags) : -E.NXIO;
    });
    const primary = () => this.#ttys[0];
    devices.addCharacter(5, 1, function* (inode, flags): Op<FileHandle | number> {
      const tty = primary();
      return tty === undefined ? -E.NODEV : new TtyFile(tty, inode, flags | O_NOCTTY);
    });
  }

  /** The consoles in order; the first is /dev/console. */
  get all(): readonly Tty[] {
    return this.#ttys;
  }

  /** Adds the next hvcN over a line. Its node is the caller's to make: {@link HVC_MAJOR}:N. */
  add(line: TtyLine): Tty {
    const minor = this.#ttys.length;
    const tty = new Tty(`hvc${minor}`, makeDev(HVC_MAJOR, minor), line, this.#kernel, true);
    this.#ttys.push(tty);
    this.#devices.addCharacter(HVC_MAJOR, minor, function* (inode, flags, caller): Op<FileHandle | number> {
      if (tty.exclusive && !capable(caller.cred, CAP_SYS_ADMIN)) return -E.BUSY;
      const handle = new TtyFile(tty, inode, flags);
      adoptTerminal(tty, flags, caller);
      return handle;
    });
    return tty;
  }
}
