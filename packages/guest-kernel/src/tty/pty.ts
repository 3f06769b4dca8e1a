/** Pseudoterminals: a master file whose other end is a terminal in /dev/pts. Source: pty(7), pts(4). */
import { CAP_SYS_ADMIN } from '../abi/capability.ts';
import { E } from '../abi/errno.ts';
import {
  O_ACCMODE,
  O_NOCTTY,
  O_NONBLOCK,
  O_RDWR,
  POLLHUP,
  POLLIN,
  POLLOUT,
  POLLRDNORM,
  POLLWRNORM,
} from '../abi/fcntl.ts';
import { FIONREAD, TCFLSH, TIOCGPTLCK, TIOCGPTN, TIOCGPTPEER, TIOCPKT, TIOCSPTLCK } from '../abi/ioctl.ts';
import { DEVPTS_SUPER_MAGIC } from '../abi/mount.ts';
import { makeDev, S_IFCHR } from '../abi/stat.ts';
import { standardTermios } from '../abi/termios.ts';
import type { DeviceTable } from '../fs/devices.ts';
import { BaseHandle } from '../fs/file-handle.ts';
import type { Holdings } from '../fs/holdings.ts';
import { ROOT_CREDENTIALS, runSync } from '../fs/kernel-caller.ts';
import { capable } from '../fs/permissions.ts';
import { Pipe } from '../fs/pipe.ts';
import { Tmpfs } from '../fs/tmpfs.ts';
import type { Caller, FileHandle, FsStatistics, Inode, Time, UserMemory } from '../fs/types.ts';
import { giveTurn, type Op, sleepOn, WaitQueue } from '../task/wait.ts';
import { adoptTerminal } from './job-control.ts';
import { Tty, type TtyKernel } from './tty.ts';
import { TtyFile } from './tty-file.ts';
import { ttyIoctl } from './tty-ioctl.ts';

/** Major number of the slaves (UNIX98_PTY_SLAVE_MAJOR). */
const SLAVE_MAJOR = 136;
/** Most pairs at a time (/proc/sys/kernel/pty/max). */
const MAX_PTYS = 4096;
/** After so many bytes of typing others have their turn: what nobody reads is lost, and does not hold up the writer. */
const TURN_BYTES = 16_384;

/** One pair. */
class PtyPair {
  readonly number: number;
  readonly slave: Tty;
  /** From the slave to the master. */
  readonly toMaster: Pipe;
  readonly lineWritable: WaitQueue = new WaitQueue();
  locked = true;
  masterOpen = true;
  /** The slave was opened at least once: then its last close is told to the master. */
  slaveOpened = false;

  constructor(number: number, kernel: TtyKernel, holdings: Holdings) {
    this.number = number;
    this.toMaster = new Pipe(holdings);
    const line = {
      writable: this.lineWritable,
      write: (bytes: Uint8Array): number => {
        const taken = this.masterOpen ? this.toMaster.put(bytes) : bytes.length;
        if (taken > 0) this.toMaster.changed.wakeAll();
        return taken;
      },
    };
    this.slave = new Tty(`pts/${number}`, makeDev(SLAVE_MAJOR, number), line, kernel, false);
    this.slave.setTermios({ ...standardTermios(), cflag: 0o277 });
  }
}

class PtyMaster extends BaseHandle {
  readonly kind = 'character';
  readonly #pair: PtyPair;
  readonly #ptys: Ptys;

  constructor(pair: PtyPair, ptys: Ptys, inode: Inode, flags: number) {
    super(inode, flags & ~O_NOCTTY);
    this.#pair = pair;
    this.#ptys = ptys;
  }

  override get pollQueues(): readonly WaitQueue[] {
    return [this.#pair.toMaster.changed, this.#pair.slave.inputRoom];
  }

  override *read(into: Uint8Array): Op<number> {
    const { toMaster, lineWritable, slave } = this.#pair;
    if (into.length === 0) return 0;
    while (toMaster.length === 0) {
      slave.pushOutput();
      if (toMaster.length > 0) break;
      if (this.#slaveGone()) return -E.IO;
      if ((this.flags & O_NONBLOCK) !== 0) return -E.AGAIN;
      if ((yield* sleepOn(toMaster.changed)) === 'signal') return -E.RESTARTSYS;
    }
    const count = toMaster.take(into);
    lineWritable.wakeAll();
    return count;
  }

  override *write(from: Uint8Array): Op<number> {
    const { slave } = this.#pair;
    let done = 0;
    for (;;) {
      if (this.#slaveGone() && this.#pair.slaveOpened) return done > 0 ? done : -E.IO;
      const part = from.subarray(done, done + TURN_BYTES);
      const taken = slave.receive(part);
      done += taken;
      if (done === from.length) return done;
      if (taken === part.length) {
        if ((yield* giveTurn(slave.kernel.monotonicNs(), true)) === 'signal') return done;
        continue;
      }
      if ((this.flags & O_NONBLOCK) !== 0) return done > 0 ? done : -E.AGAIN;
      if ((yield* sleepOn(slave.inputRoom)) === 'signal') return done > 0 ? done : -E.RESTARTSYS;
    }
  }

  override poll(): number {
    const { toMaster } = this.#pair;
    let events = POLLOUT | POLLWRNORM;
    if (toMaster.length > 0) events |= POLLIN | POLLRDNORM;
    if (this.#slaveGone()) events |= POLLHUP;
    return events;
  }

  override *ioctl(cmd: number, arg: number, user: UserMemory, caller: Caller): Op<number> {
    const pair = this.#pair;
    const put32 = (value: number) => (user.write32(arg, value) ? 0 : -E.FAULT);
    switch (cmd) {
      case TIOCGPTN:
        return put32(pair.number);
      case TIOCSPTLCK: {
        const lock = user.read32(arg);
        if (lock === undefined) return -E.FAULT;
        pair.locked = lock !== 0;
        return 0;
      }
      case TIOCGPTLCK:
        return put32(pair.locked ? 1 : 0);
      case TIOCGPTPEER:
      case TIOCPKT:
        return -E.NOTTY;
      case FIONREAD:
        return put32(pair.toMaster.length);
      case TCFLSH:
        pair.toMaster.skip(pair.toMaster.length);
        pair.lineWritable.wakeAll();
        return 0;
      default:
        return yield* ttyIoctl(pair.slave, pair.slave, cmd, arg, user, caller, true);
    }
  }

  override release(): void {
    this.#ptys.close(this.#pair);
  }

  #slaveGone(): boolean {
    return this.#pair.slaveOpened && this.#pair.slave.openCount === 0;
  }
}

/** The file system of /dev/pts. */
class Devpts extends Tmpfs {
  override statistics(): FsStatistics {
    return { ...super.statistics(), magic: DEVPTS_SUPER_MAGIC, blocks: 0, blocksFree: 0, blocksAvailable: 0 };
  }
}

/** All pairs of the kernel, and the file system that shows their slaves. */
export class Ptys {
  readonly fs: Tmpfs;
  readonly #pairs = new Map<number, PtyPair>();
  readonly #kernel: TtyKernel;
  readonly #holdings: Holdings;

  constructor(kernel: TtyKernel, dev: number, now: () => Time, holdings: Holdings) {
    this.#kernel = kernel;
    this.#holdings = holdings;
    const sizes = { maxBytes: 0, maxInodes: MAX_PTYS + 2 };
    this.fs = new Devpts({
      type: 'devpts',
      dev,
      now,
      mode: 0o755,
      options: 'gid=5,mode=620,ptmxmode=666',
      ...sizes,
    });
    runSync(this.fs.root.create('ptmx', S_IFCHR | 0o666, makeDev(5, 2), ROOT_CREDENTIALS));
  }

  register(devices: DeviceTable): void {
    devices.addCharacter(5, 2, (inode, flags, caller) => this.#openMaster(inode, flags, caller));
    devices.addCharacter(SLAVE_MAJOR, 'any', (inode, flags, caller, minor) =>
      this.#openSlave(inode, flags, caller, minor),
    );
  }

  /** The master is closed: the slave hangs up. */
  close(pair: PtyPair): void {
    pair.masterOpen = false;
    this.#pairs.delete(pair.number);
    runSync(this.fs.root.unlink(String(pair.number)));
    pair.slave.hangUp();
    pair.toMaster.end();
  }

  *#openMaster(inode: Inode, flags: number, caller: Caller): Op<FileHandle | number> {
    if ((flags & O_ACCMODE) !== O_RDWR && (flags & O_ACCMODE) === 3) return -E.INVAL;
    let number = 0;
    while (this.#pairs.has(number)) number++;
    if (number >= MAX_PTYS) return -E.NOSPC;
    const pair = new PtyPair(number, this.#kernel, this.#holdings);
    this.#pairs.set(number, pair);
    const made = runSync(this.fs.root.create(String(number), S_IFCHR | 0o620, pair.slave.rdev, caller.cred));
    if (typeof made === 'number') {
      this.#pairs.delete(number);
      return made;
    }
    runSync(made.setAttributes({ gid: 5 }));
    return new PtyMaster(pair, this, inode, flags);
  }

  *#openSlave(inode: Inode, flags: number, caller: Caller, minor: number): Op<FileHandle | number> {
    const pair = this.#pairs.get(minor);
    if (pair === undefined) return -E.NXIO;
    if (pair.locked) return -E.IO;
    if (pair.slave.exclusive && !capable(caller.cred, CAP_SYS_ADMIN)) return -E.BUSY;
    pair.slaveOpened = true;
    const handle = new TtyFile(pair.slave, inode, flags, () => {
      if (pair.slave.openCount === 0) pair.toMaster.changed.wakeAll();
    });
    adoptTerminal(pair.slave, flags, caller);
    return handle;
  }
}
