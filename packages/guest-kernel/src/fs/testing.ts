/** For tests of the file side: a task with plain memory, and operations run by hand on a fake clock. */
import { fromByteString, toByteString } from '../abi/bytes.ts';
import { E } from '../abi/errno.ts';
import { allFileCalls } from '../syscall/file-calls.ts';
import type { FileTask } from '../syscall/file-task.ts';
import type { Op, Sleep, Wake } from '../task/wait.ts';
import { FdTable } from './fd-table.ts';
import { FileSide, type FileSideConfig } from './file-side.ts';
import type { FsContext } from './fs-context.ts';
import { ROOT_CAPABILITIES, ROOT_CREDENTIALS, USER_CAPABILITIES } from './kernel-caller.ts';
import type { BlockDevice, Caller, ControllingTerminal, Credentials, UserMemory } from './types.ts';

/** User memory as one array; address 0 to 4095 faults. */
export class TestMemory implements UserMemory {
  readonly bytes: Uint8Array = new Uint8Array(4 << 20);

  read(va: number, into: Uint8Array): boolean {
    if (va < 4096 || va + into.length > this.bytes.length) return false;
    into.set(this.bytes.subarray(va, va + into.length));
    return true;
  }

  write(va: number, from: Uint8Array): boolean {
    if (va < 4096 || va + from.length > this.bytes.length) return false;
    this.bytes.set(from, va);
    return true;
  }

  read32(va: number): number | undefined {
    const bytes = new Uint8Array(4);
    return this.read(va, bytes) ? new DataView(bytes.buffer).getUint32(0, true) : undefined;
  }

  write32(va: number, value: number): boolean {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, value, true);
    return this.write(va, bytes);
  }

  readString(va: number, maxBytes: number): string | number {
    if (va < 4096 || va >= this.bytes.length) return -E.FAULT;
    const end = this.bytes.indexOf(0, va);
    if (end < 0) return -E.FAULT;
    return end - va >= maxBytes ? -E.NAMETOOLONG : toByteString(this.bytes.subarray(va, end));
  }
}

/** An operation under way. */
export class Running {
  /** Undefined while it sleeps. */
  result: number | undefined;
  readonly #op: Op<number>;
  #sleep: Sleep | undefined;
  #undo: (() => void)[] = [];

  constructor(op: Op<number>) {
    this.#op = op;
    this.#step('event');
  }

  get sleep(): Sleep | undefined {
    return this.#sleep;
  }

  /** Wakes it by a signal or by its timeout. */
  wake(reason: Wake): void {
    for (const undo of this.#undo) undo();
    if (this.result === undefined) this.#step(reason);
  }

  #step(reason: Wake): void {
    const step = this.#op.next(reason);
    if (step.done === true) {
      this.result = step.value;
      this.#sleep = undefined;
      return;
    }
    this.#sleep = step.value;
    let woken = false;
    const wake = () => {
      if (woken) return;
      woken = true;
      for (const undo of this.#undo) undo();
      this.#step('event');
    };
    this.#undo = step.value.queues.map((queue) => queue.add(wake));
  }
}

/** What a test may change of a caller. */
interface TestCaller extends Omit<Caller, 'pgid' | 'sid' | 'cred'> {
  pgid: number;
  sid: number;
  cred: Credentials;
}

/** A process for tests. */
export class TestTask implements FileTask {
  readonly caller: TestCaller;
  readonly files: FdTable;
  readonly fs: FsContext;
  readonly user: TestMemory = new TestMemory();
  readonly signals: number[] = [];
  ignored = false;
  orphaned = false;
  readonly #world: TestWorld;
  #next = 8192;

  constructor(world: TestWorld, pid: number, cred: Credentials) {
    this.#world = world;
    this.fs = world.side.newContext();
    this.files = new FdTable(1024, world.side.vfs.holdings);
    this.caller = makeCaller(world, this, pid, cred);
  }

  monotonicNs(): bigint {
    return this.#world.nowNs;
  }

  /** Room in the user's memory. @returns its address */
  allocate(lengthBytes: number): number {
    if (this.#next + lengthBytes > this.user.bytes.length) this.#next = 8192;
    const va = this.#next;
    this.#next += (lengthBytes + 15) & ~15;
    return va;
  }

  place(text: string): number {
    const va = this.allocate(text.length + 1);
    this.user.write(va, fromByteString(`${text}\0`));
    return va;
  }

  /** Starts a system call; strings are put into memory and their addresses passed. */
  start(name: string, ...args: (number | string)[]): Running {
    const call = allFileCalls[name];
    if (call === undefined) throw new Error(`no row ${name}`);
    const words = args.map((arg) => (typeof arg === 'string' ? this.place(arg) : arg) >>> 0);
    const result = call(this, [...words, 0, 0, 0, 0, 0, 0].slice(0, 6));
    return new Running(typeof result === 'number' ? returning(result) : result);
  }

  /** A system call that does not sleep. */
  call(name: string, ...args: (number | string)[]): number {
    const { result } = this.start(name, ...args);
    if (result === undefined) throw new Error(`${name} sleeps`);
    return result;
  }

  /** Reads at most `count` bytes from a descriptor. @returns the bytes as text, or the errno */
  readText(fd: number, count = 4096): string | number {
    const va = this.allocate(count);
    const got = this.call('read', fd, va, count);
    return got < 0 ? got : toByteString(this.user.bytes.subarray(va, va + got));
  }

  writeText(fd: number, text: string): number {
    return this.call('write', fd, text, text.length);
  }

  /** Opens, writes and closes. */
  writeFile(path: string, text: string, mode = 0o644): void {
    const fd = this.call('open', path, 0o1101, mode);
    if (fd < 0) throw new Error(`open ${path}: ${fd}`);
    this.writeText(fd, text);
    this.call('close', fd);
  }

  readFile(path: string): string | number {
    const fd = this.call('open', path, 0);
    if (fd < 0) return fd;
    let text = '';
    for (;;) {
      const part = this.readText(fd, 65536);
      if (typeof part === 'number' || part === '') {
        this.call('close', fd);
        return typeof part === 'number' ? part : text;
      }
      text += part;
    }
  }

  /** Names in a directory, without `.` and `..`, sorted. */
  names(path: string): string[] | number {
    const fd = this.call('open', path, 0o200000);
    if (fd < 0) return fd;
    const names: string[] = [];
    const va = this.allocate(4096);
    for (
      let got = this.call('getdents64', fd, va, 4096);
      got > 0;
      got = this.call('getdents64', fd, va, 4096)
    ) {
      for (let at = va; at < va + got; at += this.user.bytes[at + 16]! + 256 * this.user.bytes[at + 17]!) {
        names.push(this.user.readString(at + 19, 256) as string);
      }
    }
    this.call('close', fd);
    return names.filter((name) => name !== '.' && name !== '..').sort();
  }

  /** Fields of stat64. */
  stat(path: string, call = 'stat64'): TestStat | number {
    const va = this.allocate(96);
    const result = this.call(call, path, va);
    if (result < 0) return result;
    const word = (at: number) => this.user.read32(va + at)!;
    const owner = { uid: word(24), gid: word(28) };
    const space = { size: word(44), sectors512: word(56) };
    return { mode: word(16), nlink: word(20), ...owner, ...space, ino: word(88) };
  }
}

interface TestStat {
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly sectors512: number;
  readonly ino: number;
}

function* returning(value: number): Op<number> {
  return value;
}

function makeCaller(world: TestWorld, task: TestTask, pid: number, cred: Credentials): TestCaller {
  return {
    pid,
    pgid: pid,
    sid: pid,
    cred,
    get terminal() {
      return world.terminals.get(this.sid);
    },
    setTerminal(tty: ControllingTerminal | undefined) {
      if (tty === undefined) world.terminals.delete(this.sid);
      else world.terminals.set(this.sid, tty);
    },
    isSessionLeader() {
      return this.sid === pid;
    },
    ignoresOrBlocks: () => task.ignored,
    inOrphanedGroup: () => task.orphaned,
    sessionOfGroup: (pgid) => world.tasks.find((other) => other.caller.pgid === pgid)?.caller.sid,
    signal: (signal) => task.signals.push(signal),
    signalGroup: (pgid, signal) => world.signalGroup(pgid, signal),
  };
}

/** A file side with its tasks and clock. */
export class TestWorld {
  nowNs = 1_000_000_000_000n;
  readonly tasks: TestTask[] = [];
  readonly terminals: Map<number, ControllingTerminal> = new Map();
  readonly log: string[] = [];
  readonly side: FileSide;

  constructor(config?: Partial<FileSideConfig>) {
    this.side = new FileSide({
      now: () => this.nowNs,
      tty: {
        monotonicNs: () => this.nowNs,
        signalGroup: (pgid, signal) => this.signalGroup(pgid, signal),
      },
      devices: { random: (into) => into.fill(7), log: (text) => this.log.push(text), records: () => [] },
      memoryBytes: 64 << 20,
      ...config,
    });
  }

  task(pid: number = this.tasks.length + 1, ids: Partial<Credentials> = {}): TestTask {
    const caps = ids.euid === undefined || ids.euid === 0 ? ROOT_CAPABILITIES : USER_CAPABILITIES;
    const task = new TestTask(this, pid, { ...ROOT_CREDENTIALS, caps, ...ids });
    this.tasks.push(task);
    return task;
  }

  /** An unprivileged task. */
  user(uid: number): TestTask {
    const ids = { uid, gid: uid, euid: uid, egid: uid, suid: uid, sgid: uid, fsuid: uid, fsgid: uid };
    return this.task(undefined, ids);
  }

  signalGroup(pgid: number, signal: number): void {
    for (const task of this.tasks) if (task.caller.pgid === pgid) task.signals.push(signal);
  }
}

/** A disk in memory. */
export class MemoryDisk implements BlockDevice {
  readonly bytes: Uint8Array;
  readonly readonly: boolean;
  writes = 0;

  constructor(bytes: Uint8Array, readonly = false) {
    this.bytes = bytes;
    this.readonly = readonly;
  }

  get sectors(): number {
    return this.bytes.length / 512;
  }

  *read(sector: number, into: Uint8Array): Op<number> {
    if (sector * 512 + into.length > this.bytes.length) return -E.IO;
    into.set(this.bytes.subarray(sector * 512, sector * 512 + into.length));
    return 0;
  }

  *write(sector: number, from: Uint8Array): Op<number> {
    if (this.readonly) return -E.ROFS;
    if (sector * 512 + from.length > this.bytes.length) return -E.IO;
    this.bytes.set(from, sector * 512);
    this.writes++;
    return 0;
  }

  *flush(): Op<number> {
    return 0;
  }
}
