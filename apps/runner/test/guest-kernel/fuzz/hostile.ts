/**
 * Processes that do their worst: rounds of random system calls by several processes, and between the rounds a look at
 * whether the kernel still does its work. Everything follows from the seed.
 */
import type { GuestPort } from '@domu/xen-abi';
import { type Call, type CallSource, choices, nextCall, nr, tell } from './calls.ts';
import { type Answer, type Asking, FuzzGuest, Harm } from './guest.ts';
import {
  ASK_ENTRY,
  ASK_GUARD,
  ASK_SETUP,
  ASK_SUPERVISOR,
  ASK_WORKER,
  endingProgram,
  fuzzProgram,
  HOT,
  type ProgramPlaces,
  ROOM,
} from './program.ts';
import { Random } from './random.ts';
import {
  hotSlot,
  type Known,
  PATHS,
  pathData,
  SLOT_BYTES,
  SLOTS,
  SPARED_PATHS,
  structure,
} from './structures.ts';

export interface HostileOptions {
  readonly seed: number;
  /** Calls of workers in all. */
  readonly calls: number;
  readonly engine?: 'interpreter' | 'jit';
}

export interface HostileReport {
  readonly seed: number;
  readonly calls: number;
  readonly rounds: number;
  readonly slowestMs: number;
  readonly slowest: string;
  /** Of all calls, and the virtual time at the end: the same for the same seed. */
  readonly digest: string;
}

const ROUND_CALLS = 4000;
const MAX_KNOWN = 48;
const PATTERN_BYTES = 16 * 4096;
const GUARD_AT = 0x6000_0000;
const OK_STATUS = 42;
const AT_EMPTY_PATH = 0x1000;
/** Pages that caches may keep from one round to the next. */
const LEAK_PAGES = 128;
/** Processes at a time; forks are refused by the host beyond it. */
const MAX_PROCESSES = 40;

type Script = Generator<Call, void, number>;

/** Where the host puts what a script's call needs: behind the slots. */
const TIME_AT = HOT + SLOTS * SLOT_BYTES;
const STATUS_AT = TIME_AT + 64;
const BUFFER_AT = ROOM;

export class HostileRun {
  readonly #options: HostileOptions;
  readonly #random: Random;
  readonly #guest: FuzzGuest;
  readonly #places: ProgramPlaces;
  readonly #known: { numbers: number[]; addresses: number[]; handler: number };
  readonly #source: CallSource;
  readonly #names: readonly string[];
  /** Addresses of PATHS. */
  readonly #paths: readonly number[];
  readonly #pattern: Uint8Array;
  readonly #supervisor: Script;
  #setup: Script | null = null;
  #setupRole: 'worker' | 'guard' = 'worker';
  #begun = false;
  #forked = false;
  #done = false;
  /** The port while somebody asks. */
  #port!: GuestPort;
  /** Calls of workers that were made, and that the round may still make. */
  #made = 0;
  #left = 0;
  #rounds = 0;
  #processes = 0;
  #guardChecks = 0;
  #freeAtFirst: number | null = null;

  constructor(options: HostileOptions) {
    this.#options = options;
    const random = new Random(options.seed);
    this.#random = random;
    const data = pathData();
    const { file, places } = fuzzProgram(data.bytes);
    this.#places = places;
    this.#pattern = random.bytes(PATTERN_BYTES);
    this.#known = { numbers: [], addresses: [], handler: places.handler };
    const asRoot = options.seed % 3 === 0;
    const paths = asRoot ? data.addresses.slice(SPARED_PATHS) : data.addresses;
    this.#source = { random, known: this.#known satisfies Known, paths, asRoot };
    this.#paths = data.addresses;
    this.#names = choices(asRoot);
    this.#supervisor = this.#supervise();
    const nothing = new Uint8Array(0);
    this.#guest = new FuzzGuest({
      seed: options.seed,
      files: {
        'dev/': nothing,
        'proc/': nothing,
        'tmp/': nothing,
        'sys/': nothing,
        init: file,
        ok: endingProgram(OK_STATUS),
        probe: this.#pattern,
      },
      answers: new Map<number, Answer>([
        [ASK_ENTRY, (asking) => this.#askEntry(asking)],
        [ASK_SUPERVISOR, (asking) => this.#askSupervisor(asking)],
        [ASK_SETUP, (asking) => this.#askSetup(asking)],
        [ASK_WORKER, (asking) => this.#askWorker(asking)],
        [ASK_GUARD, (asking) => this.#askGuard(asking)],
      ]),
      ...(options.engine === undefined ? {} : { engine: options.engine }),
    });
  }

  /** @throws Harm */
  run(): HostileReport {
    this.#guest.run(() => this.#done);
    const { slowestMs, slowest, digest, machine } = this.#guest;
    return {
      ...{ seed: this.#options.seed, calls: this.#made, rounds: this.#rounds, slowestMs },
      ...{ slowest: tell(slowest), digest: `${digest >>> 0}@${machine.clock.nowNs()}` },
    };
  }

  /** The last calls, for a report. */
  history(count: number): string[] {
    return this.#guest.history.slice(-count).map(tell);
  }

  // ---- who asks ----

  /** The first process; or a worker that has begun the program anew. */
  #askEntry({ port, frame }: Asking): Call {
    port.write32(frame, this.#begun ? this.#places.worker : this.#places.supervisor);
    this.#begun = true;
    return [nr('getpid')];
  }

  #askSupervisor({ port, result, frame }: Asking): Call {
    this.#port = port;
    if (this.#forked && result === 0) {
      // The child: it goes on in its own loop.
      this.#forked = false;
      port.write32(frame, this.#places.setup);
      return [nr('getpid')];
    }
    const step = this.#supervisor.next(result);
    if (!step.done) return step.value;
    this.#done = true;
    return [nr('getpid')];
  }

  #askSetup({ port, result, frame }: Asking): Call {
    this.#port = port;
    const step = this.#setup?.next(result);
    if (step !== undefined && !step.done) return step.value;
    this.#setup = null;
    port.write32(frame, this.#places[this.#setupRole]);
    return [nr('getpid')];
  }

  #askGuard({ port }: Asking): Call {
    const found = new Uint8Array(PATTERN_BYTES);
    if (!port.readBytes(GUARD_AT, found)) throw new Harm('the memory of a bystander is gone');
    if (Buffer.compare(found, this.#pattern) !== 0) throw new Harm('the memory of a bystander has changed');
    this.#guardChecks++;
    port.write32(TIME_AT, 0);
    port.write32(TIME_AT + 4, 100_000);
    return [nr('nanosleep'), TIME_AT, 0];
  }

  #askWorker({ port, result, frame }: Asking): Call {
    const random = this.#random;
    const { numbers, addresses } = this.#known;
    if (result >= 0 && result < 100_000) remember(numbers, result, random);
    else if (result >>> 0 >= 0x1_0000 && result >>> 0 < 0xc000_0000)
      remember(addresses, result >>> 0, random);
    if (this.#left <= 0) return [nr('exit_group'), 0];
    this.#left--;
    this.#made++;
    port.writeBytes(hotSlot(random), structure(random, this.#known));
    if (random.once(3)) port.writeBytes(hotSlot(random), structure(random, this.#known));
    this.#disturb(port, frame);
    return nextCall(this.#source, this.#names, this.#processes < MAX_PROCESSES);
  }

  /** What a program does to itself: a stack nowhere, odd flags, machine code out of nothing. */
  #disturb(port: Asking['port'], frame: number): void {
    const random = this.#random;
    if (random.once(50)) port.write32(frame, this.#places.floating);
    if (random.once(200))
      port.write32(
        frame + 12,
        random.pick([0, HOT + 128, ROOM, ROOM + 8192, 0xbfff_f000, 0xc000_0000, random.word()]),
      );
    if (random.once(300))
      port.write32(
        frame + 8,
        ((port.read32(frame + 8) & ~0x4_0500) | random.pick([0x100, 0x400, 0x4_0000, 0xcd5])) >>> 0,
      );
    if (random.once(300)) {
      const code = random.bytes(64);
      if (random.once(2))
        code.set(
          random.pick([
            [0xcd, 0x82],
            [0xcd, 0x80],
            [0x0f, 0x34],
            [0xf4],
            [0x0f, 0x0b, 0x64, 0x6f, 0x6d, 0x80],
            [0xcc],
            [0x8e, 0xe8],
          ]),
        );
      const at = hotSlot(random);
      if (port.writeBytes(at, code)) port.write32(frame, at);
    }
  }

  // ---- the first process ----

  *#supervise(): Script {
    yield* this.#ok('proc', this.#mount('proc', '/proc'), (rc) => rc === 0);
    for (let left = this.#options.calls; left > 0; left -= ROUND_CALLS) {
      yield* this.#round(Math.min(left, ROUND_CALLS));
      this.#rounds++;
    }
  }

  *#round(calls: number): Script {
    yield* this.#ok('tmpfs', this.#mount('tmpfs', '/tmp'), (rc) => rc === 0);
    yield* this.#ok('chmod', [nr('chmod'), this.#path('/tmp'), 0o1777], (rc) => rc === 0);
    this.#left = calls;
    let waves = 0;
    while (this.#left > 0) {
      if (++waves > 100 + calls) throw new Harm('rounds make no progress');
      yield* this.#wave();
    }
    yield* this.#check();
    yield* this.#ok('umount', [nr('umount2'), this.#path('/tmp'), 2], (rc) => rc === 0);
    yield* this.#forgetIpc();
    yield* this.#memory();
  }

  /** Some processes, until they are stuck or gone. */
  *#wave(): Script {
    this.#guardChecks = 0;
    yield* this.#start('guard', this.#setUpGuard());
    for (let i = 1 + this.#random.below(3); i > 0; i--) yield* this.#start('worker', this.#setUpWorker());
    for (let idle = 0, last = this.#left; idle < 4 && this.#left > 0; ) {
      yield* this.#sleep(300_000);
      let pid = 1;
      while (pid > 0) {
        pid = yield [nr('waitpid'), 0xffff_ffff, 0, 1];
        if (pid > 0) this.#processes--;
      }
      yield* this.#countProcesses();
      idle = this.#left === last ? idle + 1 : 0;
      last = this.#left;
    }
    yield* this.#sleep(300_000);
    if (this.#guardChecks === 0) throw new Harm('a bystander did not get on');
    yield* this.#killAll();
  }

  *#killAll(): Script {
    for (let tries = 0; tries < 200; tries++) {
      yield [nr('kill'), 0xffff_ffff, 9];
      let rc = 1;
      while (rc > 0) rc = yield [nr('waitpid'), 0xffff_ffff, 0, 0x4000_0001];
      if (rc === -10) {
        this.#processes = 0;
        return;
      }
      yield* this.#sleep(100_000);
    }
    throw new Harm('a process cannot be killed');
  }

  *#start(role: 'worker' | 'guard', script: Script): Script {
    this.#setup = script;
    this.#setupRole = role;
    this.#forked = true;
    this.#processes++;
    const pid = yield [nr('fork')];
    if (pid <= 0) throw new Harm(`fork: ${pid}`);
    for (let i = 0; this.#setup !== null || this.#forked; i++) {
      if (i > 10_000) throw new Harm('a new process does not get on');
      yield* this.#sleep(20_000);
    }
  }

  /** How many tasks there are, by sysinfo. */
  *#countProcesses(): Script {
    const rc = yield [nr('sysinfo'), BUFFER_AT];
    if (rc !== 0) throw new Harm(`sysinfo: ${rc}`);
    this.#processes = this.#port.read16(BUFFER_AT + 40);
  }

  *#setUpGuard(): Script {
    yield* this.#ok(
      'guard mmap',
      [nr('mmap2'), GUARD_AT, PATTERN_BYTES, 3, 0x32, 0xffff_ffff, 0],
      (rc) => rc === GUARD_AT,
    );
    const fd = yield [nr('open'), this.#path('/probe'), 0, 0];
    if (fd < 0) throw new Harm(`guard open: ${fd}`);
    yield* this.#ok('guard read', [nr('read'), fd, GUARD_AT, PATTERN_BYTES], (rc) => rc === PATTERN_BYTES);
    yield [nr('close'), fd];
    yield* this.#ok('guard uid', [nr('setresuid32'), 2000, 2000, 2000], (rc) => rc === 0);
  }

  /** Descriptors of all kinds, a timer that interrupts whatever sleeps, and, mostly, an ordinary user. */
  *#setUpWorker(): Script {
    const { random } = this.#source;
    for (let fd = 0; fd < 3; fd++) yield [nr('close'), fd];
    yield [nr('setsid')];
    yield [nr('open'), this.#path('/dev/null'), 2, 0];
    yield [nr('pipe'), BUFFER_AT];
    yield [nr('socketpair'), 1, 1, 0, BUFFER_AT];
    yield [nr('socket'), 2, 1, 0];
    yield [nr('socket'), 2, 2, 0];
    yield [nr('open'), this.#path('/tmp/f'), 0o102, 0o666];
    yield [nr('epoll_create1'), 0];
    yield [nr('eventfd2'), 1, 0];
    yield [nr('timerfd_create'), 1, 0];
    yield [nr('open'), this.#path('/tmp'), 0, 0];
    yield [nr('open'), this.#path('/dev/ptmx'), 2, 0];
    yield [nr('mkdir'), this.#path('/tmp/d'), 0o777];
    yield [nr('symlink'), this.#path('/tmp/loop'), this.#path('/tmp/loop')];
    yield [nr('mknod'), this.#path('/tmp/fifo'), 0o010666, 0];
    yield [nr('mmap2'), 0x5000_0000, 64 * 4096, 7, 0x31, 0xffff_ffff, 0];
    if (!this.#source.asRoot) {
      yield [nr('setgroups32'), 0, 0];
      yield* this.#ok('worker gid', [nr('setresgid32'), 1000, 1000, 1000], (rc) => rc === 0);
      yield* this.#ok('worker uid', [nr('setresuid32'), 1000, 1000, 1000], (rc) => rc === 0);
    }
    this.#put(TIME_AT, [this.#places.handler, 0, 0, 0, 0]);
    yield [nr('rt_sigaction'), 14, TIME_AT, 0, 8];
    this.#put(TIME_AT, [0, random.pick([20, 50, 200]), 0, 50]);
    yield [nr('setitimer'), 0, TIME_AT, 0];
  }

  /** Does the kernel still do its work? */
  *#check(): Script {
    const fd = yield [nr('open'), this.#path('/probe'), 0, 0];
    if (fd < 0) throw new Harm(`open: ${fd}`);
    yield* this.#ok('read', [nr('read'), fd, BUFFER_AT, PATTERN_BYTES], (rc) => rc === PATTERN_BYTES);
    const found = new Uint8Array(PATTERN_BYTES);
    if (!this.#port.readBytes(BUFFER_AT, found) || Buffer.compare(found, this.#pattern) !== 0)
      throw new Harm('a file reads as something else');
    yield* this.#ok('close', [nr('close'), fd], (rc) => rc === 0);
    yield* this.#start('worker', this.#setUpExec());
    const pid = yield* this.#reapOne();
    if (pid <= 0) throw new Harm(`wait4: ${pid}`);
    const status = this.#port.read32(STATUS_AT);
    if (status !== OK_STATUS << 8) throw new Harm(`a program ended with ${status}`);
    for (const path of [
      '/proc/self/status',
      '/proc/self/maps',
      '/proc/mounts',
      '/proc/sysvipc/shm',
      '/proc/net/tcp',
    ]) {
      const file = yield [nr('open'), this.#path(path), 0, 0];
      if (file < 0) throw new Harm(`${path}: ${file}`);
      const got = yield [nr('read'), file, BUFFER_AT, 4096];
      if (got <= 0) throw new Harm(`${path}: read ${got}`);
      yield [nr('close'), file];
    }
  }

  *#setUpExec(): Script {
    const fd = yield [nr('open'), this.#path('/ok'), 0, 0];
    this.#put(TIME_AT, [0]);
    // It does not ask again.
    this.#setup = null;
    yield [nr('execveat'), fd, TIME_AT, 0, 0, AT_EMPTY_PATH];
  }

  *#reapOne(): Generator<Call, number, number> {
    for (let i = 0; i < 1000; i++) {
      const pid = yield [nr('waitpid'), 0xffff_ffff, STATUS_AT, 1];
      if (pid !== 0) return pid;
      yield* this.#sleep(100_000);
    }
    return 0;
  }

  /** What System V IPC the workers have left. */
  *#forgetIpc(): Script {
    for (const [stat, control] of [
      [13, 'shmctl'],
      [18, 'semctl'],
      [11, 'msgctl'],
    ] as const) {
      const command = (id: number, cmd: number): Call =>
        control === 'semctl' ? [nr(control), id, 0, cmd, BUFFER_AT] : [nr(control), id, cmd, BUFFER_AT];
      const highest = yield command(0, 3);
      for (let slot = 0; slot <= highest; slot++) {
        const id = yield command(slot, stat);
        if (id >= 0) yield* this.#ok(control, command(id, 0), (rc) => rc === 0);
      }
    }
  }

  /** Memory comes back when everybody has gone. */
  *#memory(): Script {
    yield* this.#ok('sysinfo', [nr('sysinfo'), BUFFER_AT], (rc) => rc === 0);
    const free = this.#port.read32(BUFFER_AT + 20);
    const tasks = this.#port.read16(BUFFER_AT + 40);
    if (tasks !== 1) throw new Harm(`${tasks} tasks are left`);
    this.#freeAtFirst ??= free;
    if (free < this.#freeAtFirst - LEAK_PAGES)
      throw new Harm(`${this.#freeAtFirst - free} pages did not come back`);
  }

  // ---- small things ----

  *#sleep(ns: number): Script {
    this.#put(TIME_AT, [0, ns]);
    yield [nr('nanosleep'), TIME_AT, 0];
  }

  *#ok(what: string, call: Call, good: (rc: number) => boolean): Script {
    const rc = yield call;
    if (!good(rc)) throw new Harm(`${what}: ${rc}`);
  }

  #put(at: number, words: readonly number[]): void {
    if (!this.#port.writeBytes(at, new Uint8Array(Uint32Array.from(words).buffer)))
      throw new Harm('a page is not there');
  }

  #path(path: string): number {
    return this.#paths[PATHS.indexOf(path)] ?? 0;
  }

  #mount(type: string, on: string): Call {
    return [nr('mount'), this.#path(type), this.#path(on), this.#path(type), 0, 0];
  }
}

function remember(list: number[], value: number, random: Random): void {
  if (list.length < MAX_KNOWN) list.push(value);
  else list[random.below(MAX_KNOWN)] = value;
}
