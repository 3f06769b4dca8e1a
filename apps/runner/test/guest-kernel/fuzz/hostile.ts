/**
 * Processes that do their worst: rounds of random system calls by several processes, and between the rounds a look at
 * whether the kernel still does its work. Everything follows from the seed.
 */
import { type Call, type CallSource, choices, nextCall, nr } from './calls.ts';
import { type Asking, Harm } from './guest.ts';
import { HOT, ROOM } from './program.ts';
import type { Random } from './random.ts';
import { hotSlot, type Known, PATHS, SLOT_BYTES, SLOTS, SPARED_PATHS, structure } from './structures.ts';
import {
  BUFFER_AT,
  CALL_AT,
  type Report,
  type Script,
  STATUS_AT,
  Supervisor,
  type SupervisorOptions,
  TIME_AT,
} from './supervisor.ts';

export interface HostileOptions extends SupervisorOptions {
  /** Calls of workers in all. */
  readonly calls: number;
}

export interface HostileReport extends Report {
  readonly calls: number;
  readonly rounds: number;
  /** Results of each call by number, as far as the process went on: how often it went well, and how often not. */
  readonly outcomes: Outcomes;
}

type Outcomes = ReadonlyMap<number, { readonly well: number; readonly failed: number }>;

const ROUND_CALLS = 4000;
const MAX_KNOWN = 48;
/** Processes at a time; forks are refused by the host beyond it. */
const MAX_PROCESSES = 40;

const PID_CALLS = new Set(['getpid', 'gettid', 'fork', 'vfork', 'clone'].map(nr));
const ID_CALLS = new Set(['shmget', 'semget', 'msgget'].map(nr));

export class HostileRun extends Supervisor {
  readonly #calls: number;
  readonly #known: Known;
  readonly #source: CallSource;
  readonly #names: readonly string[];
  /** Calls of workers that were made, and that the round may still make. */
  #made = 0;
  #left = 0;
  #rounds = 0;
  #slot = 0;
  readonly #outcomes: Map<number, { well: number; failed: number }> = new Map();

  constructor(options: HostileOptions) {
    super({ asRoot: options.seed % 3 === 0, ...options });
    this.#calls = options.calls;
    const { handler } = this.places;
    this.#known = { numbers: [], addresses: [], handler, pids: [], ids: [], attached: [] };
    const { asRoot } = this;
    const paths = asRoot ? this.paths.slice(SPARED_PATHS) : this.paths;
    this.#source = {
      ...{ random: this.random, known: this.#known, paths, asRoot },
      place: (bytes) => this.#place(bytes),
      pathOf: (path) => this.path(asRoot && PATHS.indexOf(path) < SPARED_PATHS ? '/tmp/x' : path),
    };
    this.#names = choices(asRoot);
  }

  /** @throws Harm */
  run(): HostileReport {
    return { ...this.complete(), calls: this.#made, rounds: this.#rounds, outcomes: this.#outcomes };
  }

  protected override askWorker({ port, result, frame }: Asking): Call {
    const random = this.random;
    this.port = port;
    const { numbers, addresses } = this.#known;
    if (result >= 0 && result < 100_000) remember(numbers, result, random);
    else if (result >>> 0 >= 0x1_0000 && result >>> 0 < 0xc000_0000)
      remember(addresses, result >>> 0, random);
    this.#note(port.read32(CALL_AT), result);
    if (this.#left <= 0) return [nr('exit_group'), 0];
    this.#left--;
    this.#made++;
    port.writeBytes(hotSlot(random), structure(random, this.#known));
    if (random.once(3)) port.writeBytes(hotSlot(random), structure(random, this.#known));
    const begun = port.read32(frame);
    this.#disturb(port, frame);
    const call = nextCall(this.#source, this.#names, this.processes < MAX_PROCESSES);
    // Elsewhere it does not come back with this call's result.
    port.write32(CALL_AT, port.read32(frame) === begun ? (call[0] ?? 0) : 0);
    return call;
  }

  /** Into one of the slots, in turn. */
  #place(bytes: Uint8Array): number {
    const at = HOT + SLOT_BYTES * this.#slot;
    this.#slot = (this.#slot + 1) % SLOTS;
    this.port.writeBytes(at, bytes.subarray(0, SLOT_BYTES));
    return at;
  }

  #note(number: number, result: number): void {
    if (number <= 0) return;
    const outcome = this.#outcomes.get(number) ?? { well: 0, failed: 0 };
    this.#outcomes.set(number, outcome);
    if (result < 0 && result > -4096) {
      outcome.failed++;
      return;
    }
    outcome.well++;
    const { pids, ids, attached } = this.#known;
    if (PID_CALLS.has(number) && result > 1) remember(pids, result, this.random);
    else if (ID_CALLS.has(number)) remember(ids, result, this.random);
    else if (number === nr('shmat')) remember(attached, result >>> 0, this.random);
  }

  /** What a program does to itself: a stack nowhere, odd flags, machine code out of nothing. */
  #disturb(port: Asking['port'], frame: number): void {
    const random = this.random;
    if (random.once(50)) port.write32(frame, this.places.floating);
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

  protected override *supervise(): Script {
    yield* this.ok('proc', this.mount('proc', '/proc'), (rc) => rc === 0);
    for (let left = this.#calls; left > 0; left -= ROUND_CALLS) {
      yield* this.#round(Math.min(left, ROUND_CALLS));
      this.#rounds++;
    }
  }

  *#round(calls: number): Script {
    yield* this.freshTmp();
    this.#left = calls;
    let waves = 0;
    while (this.#left > 0) {
      if (++waves > 100 + calls) throw new Harm('rounds make no progress');
      yield* this.#wave();
    }
    yield* this.endOfRound();
  }

  /** Some processes, until they are stuck or gone. */
  *#wave(): Script {
    yield* this.startGuard();
    for (let i = 1 + this.random.below(3); i > 0; i--) yield* this.start(this.#setUpWorker());
    for (let idle = 0, last = this.#left; idle < 4 && this.#left > 0; ) {
      yield* this.sleep(300_000);
      let pid = 1;
      while (pid > 0) {
        pid = yield [nr('waitpid'), 0xffff_ffff, STATUS_AT, 1];
        this.reaped(pid);
      }
      yield* this.#countProcesses();
      idle = this.#left === last ? idle + 1 : 0;
      last = this.#left;
    }
    yield* this.seeGuard();
    yield* this.killAll();
  }

  /** How many tasks there are, by sysinfo. */
  *#countProcesses(): Script {
    const rc = yield [nr('sysinfo'), BUFFER_AT];
    if (rc !== 0) throw new Harm(`sysinfo: ${rc}`);
    this.processes = this.port.read16(BUFFER_AT + 40);
  }

  /** Descriptors of all kinds, a timer that interrupts whatever sleeps, and, mostly, an ordinary user. */
  *#setUpWorker(): Script {
    const { random } = this.#source;
    for (let fd = 0; fd < 3; fd++) yield [nr('close'), fd];
    yield [nr('setsid')];
    yield [nr('open'), this.path('/dev/null'), 2, 0];
    yield [nr('pipe'), BUFFER_AT];
    yield [nr('socketpair'), 1, 1, 0, BUFFER_AT];
    yield [nr('socket'), 2, 1, 0];
    yield [nr('socket'), 2, 2, 0];
    yield [nr('open'), this.path('/tmp/f'), 0o102, 0o666];
    yield [nr('epoll_create1'), 0];
    yield [nr('eventfd2'), 1, 0];
    yield [nr('timerfd_create'), 1, 0];
    yield [nr('open'), this.path('/tmp'), 0, 0];
    yield [nr('open'), this.path('/dev/ptmx'), 2, 0];
    yield [nr('mkdir'), this.path('/tmp/d'), 0o777];
    yield [nr('symlink'), this.path('/tmp/loop'), this.path('/tmp/loop')];
    yield [nr('mknod'), this.path('/tmp/fifo'), 0o010666, 0];
    yield [nr('mmap2'), 0x5000_0000, 64 * 4096, 7, 0x31, 0xffff_ffff, 0];
    if (!this.#source.asRoot) {
      yield [nr('setgroups32'), 0, 0];
      yield* this.ok('worker gid', [nr('setresgid32'), 1000, 1000, 1000], (rc) => rc === 0);
      yield* this.ok('worker uid', [nr('setresuid32'), 1000, 1000, 1000], (rc) => rc === 0);
    }
    this.put(TIME_AT, [this.places.handler, 0, 0, 0, 0]);
    yield [nr('rt_sigaction'), 14, TIME_AT, 0, 8];
    this.put(TIME_AT, [0, random.pick([20, 50, 200]), 0, 50]);
    yield [nr('setitimer'), 0, TIME_AT, 0];
  }
}

function remember(list: number[], value: number, random: Random): void {
  if (list.length < MAX_KNOWN) list.push(value);
  else list[random.below(MAX_KNOWN)] = value;
}
