/** The first process of a guest that is attacked: it starts processes, kills them, and looks whether the kernel still works. */
import type { GuestPort } from '@domu/xen-abi';
import { type Call, nr, tell } from './calls.ts';
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
  PAGE,
  type ProgramPlaces,
  ROOM,
  TRUSTED,
} from './program.ts';
import { Random } from './random.ts';
import { PATHS, pathData, SLOT_BYTES, SLOTS } from './structures.ts';

const PATTERN_BYTES = 16 * 4096;
/** The bystander looks around so often. */
const GUARD_NS = 500_000;
const GUARD_AT = 0x6000_0000;
const OK_STATUS = 42;
const AT_EMPTY_PATH = 0x1000;
const CHUNK_BYTES = 32 * PAGE;
const SIGKILL = 9;
const WNOHANG = 1;
const WUNTRACED = 2;
/** Low byte of a wait status. */
const STOPPED = 0x7f;
/** Pages that may stay from one round to the next beside those of files in the root, which are cached. */
const SLACK_PAGES = 128;

/** System calls one after the other; each comes back with its result. */
export type Script = Generator<Call, void, number>;

/** Where the host puts what a script's call needs: behind the slots. */
export const TIME_AT: number = HOT + SLOTS * SLOT_BYTES;
export const STATUS_AT: number = TIME_AT + 64;
/** Not zero from the first process's fork until parent and child, each in its own copy, have heard who they are. */
const FORKED_AT: number = TIME_AT + 80;
/** Number of the call that a worker makes. */
export const CALL_AT: number = TIME_AT + 84;
export const BUFFER_AT: number = ROOM;

export interface Report {
  readonly seed: number;
  readonly slowestMs: number;
  readonly slowest: string;
  /** Of all calls, and the virtual time at the end: the same for the same seed. */
  readonly digest: string;
}

export interface SupervisorOptions {
  readonly seed: number;
  readonly engine?: 'interpreter' | 'jit' | undefined;
  /** More files in the root, by path without the first slash. */
  readonly files?: Readonly<Record<string, Uint8Array>>;
  /** Whether the attackers are root. */
  readonly asRoot?: boolean;
}

export abstract class Supervisor {
  readonly seed: number;
  readonly asRoot: boolean;
  readonly random: Random;
  readonly guest: FuzzGuest;
  readonly places: ProgramPlaces;
  /** Addresses of PATHS. */
  readonly paths: readonly number[];
  /** The port while somebody asks. */
  port!: GuestPort;
  /** Processes at present, about. */
  processes = 0;
  /** Times that the bystander was found unharmed. */
  guardChecks = 0;
  /** The bystander's process; 0: root has killed it, which is its right. */
  #guard = 0;
  readonly #pattern: Uint8Array;
  readonly #found: Uint8Array = new Uint8Array(PATTERN_BYTES);
  readonly #script: Script;
  #setup: Script | null = null;
  #setupRole: 'worker' | 'guard' = 'worker';
  #begun = false;
  #forked = false;
  #done = false;
  #freeAtFirst: number | null = null;
  readonly #cachePages: number;

  constructor({ seed, engine, files = {}, asRoot = false }: SupervisorOptions) {
    this.seed = seed;
    this.asRoot = asRoot;
    const random = new Random(seed);
    this.random = random;
    const data = pathData();
    const { file, places } = fuzzProgram(data.bytes);
    this.places = places;
    this.#pattern = random.bytes(PATTERN_BYTES);
    this.paths = data.addresses;
    const sizes = Object.values(files).map(({ length }) => Math.ceil(length / PAGE));
    this.#cachePages = SLACK_PAGES + sizes.reduce((sum, pages) => sum + pages, 0);
    this.#script = this.supervise();
    const nothing = new Uint8Array(0);
    this.guest = new FuzzGuest({
      seed,
      files: {
        'dev/': nothing,
        'proc/': nothing,
        'tmp/': nothing,
        'sys/': nothing,
        init: file,
        ok: endingProgram(OK_STATUS),
        probe: this.#pattern,
        ...files,
      },
      answers: new Map<number, Answer>([
        [ASK_ENTRY, (asking) => this.#askEntry(asking)],
        [ASK_SUPERVISOR, (asking) => this.#askSupervisor(asking)],
        [ASK_SETUP, (asking) => this.#askSetup(asking)],
        [ASK_WORKER, (asking) => this.askWorker(asking)],
        [ASK_GUARD, (asking) => this.#askGuard(asking)],
      ]),
      ...(engine === undefined ? {} : { engine }),
    });
  }

  /** What the first process does. */
  protected abstract supervise(): Script;

  /** The next call of a process that was started as a worker. */
  protected abstract askWorker(asking: Asking): Call;

  /** @throws Harm */
  protected complete(): Report {
    this.guest.run(() => this.#done);
    const { slowestMs, slowest, digest, machine } = this.guest;
    return {
      ...{ seed: this.seed, slowestMs, slowest: tell(slowest) },
      digest: `${digest >>> 0}@${machine.clock.nowNs()}`,
    };
  }

  /** The last calls, for a report. */
  history(count: number): string[] {
    return this.guest.history.slice(-count).map(tell);
  }

  /** The first process; or a worker that has begun the program anew. */
  #askEntry({ port, frame }: Asking): Call {
    if (this.#begun) return this.#becomeWorker(port, frame);
    this.#begun = true;
    port.write32(frame, this.places.supervisor);
    return [nr('getpid')];
  }

  #askSupervisor({ port, result, frame }: Asking): Call {
    this.port = port;
    const forked = port.read32(FORKED_AT) !== 0;
    if (forked) port.write32(FORKED_AT, 0);
    if (forked && result === 0) {
      // The child: it goes on in its own loop.
      this.#forked = false;
      port.write32(frame, this.places.setup);
      return [nr('getpid')];
    }
    const step = this.#script.next(result);
    if (!step.done) return step.value;
    this.#done = true;
    return [nr('getpid')];
  }

  #askSetup({ port, result, frame }: Asking): Call {
    this.port = port;
    const step = this.#setup?.next(result);
    if (step !== undefined && !step.done) return step.value;
    this.#setup = null;
    if (this.#setupRole === 'worker') return this.#becomeWorker(port, frame);
    port.write32(frame, this.places.guard);
    return [nr('getpid')];
  }

  /** Wherever an attacker's EIP gets to, it cannot ask in the name of the others. */
  #becomeWorker(port: GuestPort, frame: number): Call {
    port.write32(frame, this.places.worker);
    return [nr('munmap'), TRUSTED, PAGE];
  }

  #askGuard({ port }: Asking): Call {
    const found = this.#found;
    if (!port.readBytes(GUARD_AT, found)) throw new Harm('the memory of a bystander is gone');
    if (Buffer.compare(found, this.#pattern) !== 0) throw new Harm('the memory of a bystander has changed');
    this.guardChecks++;
    port.write32(TIME_AT, 0);
    port.write32(TIME_AT + 4, GUARD_NS);
    return [nr('nanosleep'), TIME_AT, 0];
  }

  protected *killAll(): Script {
    for (let tries = 0; tries < 200; tries++) {
      yield [nr('kill'), 0xffff_ffff, 9];
      let rc = 1;
      while (rc > 0) rc = yield [nr('waitpid'), 0xffff_ffff, 0, 0x4000_0001];
      if (rc === -10) {
        this.processes = 0;
        return;
      }
      yield* this.sleep(100_000);
    }
    throw new Harm('a process cannot be killed');
  }

  /** @returns the new process; or 0 if it was killed or stopped before it was ready, as root and its own user may do */
  protected *start(script: Script, role: 'worker' | 'guard' = 'worker'): Generator<Call, number, number> {
    this.#setup = script;
    this.#setupRole = role;
    this.#forked = true;
    this.processes++;
    this.put(FORKED_AT, [1]);
    const pid = yield [nr('fork')];
    if (pid <= 0) throw new Harm(`fork: ${pid}`);
    for (let i = 0; this.#setup !== null || this.#forked; i++) {
      if (i > 10_000) throw new Harm('a new process does not get on');
      const changed = (yield [nr('waitpid'), pid, STATUS_AT, WNOHANG | WUNTRACED]) === pid;
      if (changed && this.port.read16(STATUS_AT) % 256 !== STOPPED) {
        this.#setup = null;
        this.#forked = false;
        return 0;
      }
      if (changed) yield [nr('kill'), pid, SIGKILL];
      yield* this.sleep(20_000);
    }
    return pid;
  }

  *#setUpGuard(): Script {
    yield* this.ok(
      'guard mmap',
      [nr('mmap2'), GUARD_AT, PATTERN_BYTES, 3, 0x32, 0xffff_ffff, 0],
      (rc) => rc === GUARD_AT,
    );
    const fd = yield [nr('open'), this.path('/probe'), 0, 0];
    if (fd < 0) throw new Harm(`guard open: ${fd}`);
    yield* this.ok('guard read', [nr('read'), fd, GUARD_AT, PATTERN_BYTES], (rc) => rc === PATTERN_BYTES);
    yield [nr('close'), fd];
    yield* this.ok('guard uid', [nr('setresuid32'), 2000, 2000, 2000], (rc) => rc === 0);
  }

  /** Does the kernel still do its work? */
  protected *check(): Script {
    const fd = yield [nr('open'), this.path('/probe'), 0, 0];
    if (fd < 0) throw new Harm(`open: ${fd}`);
    yield* this.ok('read', [nr('read'), fd, BUFFER_AT, PATTERN_BYTES], (rc) => rc === PATTERN_BYTES);
    const found = new Uint8Array(PATTERN_BYTES);
    if (!this.port.readBytes(BUFFER_AT, found) || Buffer.compare(found, this.#pattern) !== 0)
      throw new Harm('a file reads as something else');
    yield* this.ok('close', [nr('close'), fd], (rc) => rc === 0);
    yield* this.start(this.#setUpExec());
    const pid = yield* this.#reapOne();
    if (pid <= 0) throw new Harm(`wait4: ${pid}`);
    const status = this.port.read32(STATUS_AT);
    if (status !== OK_STATUS << 8) throw new Harm(`a program ended with ${status}`);
    for (const path of [
      '/proc/self/status',
      '/proc/self/maps',
      '/proc/mounts',
      '/proc/sysvipc/shm',
      '/proc/net/tcp',
    ]) {
      const file = yield [nr('open'), this.path(path), 0, 0];
      if (file < 0) throw new Harm(`${path}: ${file}`);
      const got = yield [nr('read'), file, BUFFER_AT, 4096];
      if (got <= 0) throw new Harm(`${path}: read ${got}`);
      yield [nr('close'), file];
    }
  }

  *#setUpExec(): Script {
    const fd = yield [nr('open'), this.path('/ok'), 0, 0];
    this.put(TIME_AT, [0]);
    yield* this.lastCall([nr('execveat'), fd, TIME_AT, 0, 0, AT_EMPTY_PATH]);
  }

  *#reapOne(): Generator<Call, number, number> {
    for (let i = 0; i < 1000; i++) {
      const pid = yield [nr('waitpid'), 0xffff_ffff, STATUS_AT, 1];
      if (pid !== 0) return pid;
      yield* this.sleep(100_000);
    }
    return 0;
  }

  /** What System V IPC the workers have left. */
  protected *forgetIpc(): Script {
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
        if (id >= 0) yield* this.ok(control, command(id, 0), (rc) => rc === 0);
      }
    }
  }

  /** Memory comes back when everybody has gone. */
  protected *memory(): Script {
    yield* this.ok('sysinfo', [nr('sysinfo'), BUFFER_AT], (rc) => rc === 0);
    const free = this.port.read32(BUFFER_AT + 20);
    const tasks = this.port.read16(BUFFER_AT + 40);
    if (tasks !== 1) throw new Harm(`${tasks} tasks are left`);
    this.#freeAtFirst ??= free;
    if (free < this.#freeAtFirst - this.#cachePages)
      throw new Harm(`${this.#freeAtFirst - free} pages did not come back`);
  }

  protected *sleep(ns: number): Script {
    this.put(TIME_AT, [0, ns]);
    yield [nr('nanosleep'), TIME_AT, 0];
  }

  protected *ok(what: string, call: Call, good: (rc: number) => boolean): Script {
    const rc = yield call;
    if (!good(rc)) throw new Harm(`${what}: ${rc}`);
  }

  protected put(at: number, words: readonly number[]): void {
    this.putBytes(at, new Uint8Array(Uint32Array.from(words).buffer));
  }

  protected path(path: string): number {
    return this.paths[PATHS.indexOf(path)] ?? 0;
  }

  protected mount(type: string, on: string): Call {
    return [nr('mount'), this.path(type), this.path(on), this.path(type), 0, 0];
  }

  /** The bystander has done something since it was started, or root has killed it. */
  protected *seeGuard(): Script {
    for (let i = 0; this.guardChecks === 0 && this.#guard !== 0; i++) {
      if (i > 10_000) return this.#guardKilled();
      yield* this.sleep(200_000);
      this.reaped(yield [nr('waitpid'), this.#guard, STATUS_AT, 1]);
    }
  }

  protected *startGuard(): Script {
    this.guardChecks = 0;
    this.#guard = yield* this.start(this.#setUpGuard(), 'guard');
    if (this.#guard === 0) this.#guardKilled();
  }

  /** A process was waited for. @param pid as waitpid returned it */
  protected reaped(pid: number): void {
    if (pid <= 0) return;
    this.processes--;
    if (pid !== this.#guard) return;
    this.#guard = 0;
    this.#guardKilled();
  }

  #guardKilled(): void {
    if (!this.asRoot) throw new Harm(`a bystander was killed or stopped: ${this.port.read32(STATUS_AT)}`);
  }

  /** An empty /tmp that anybody may write to. */
  protected *freshTmp(): Script {
    yield* this.ok('tmpfs', this.mount('tmpfs', '/tmp'), (rc) => rc === 0);
    yield* this.ok('chmod', [nr('chmod'), this.path('/tmp'), 0o1777], (rc) => rc === 0);
  }

  /** The kernel still works, and what was used has come back. */
  protected *endOfRound(): Script {
    yield* this.check();
    yield* this.ok('umount', [nr('umount2'), this.path('/tmp'), 2], (rc) => rc === 0);
    yield* this.forgetIpc();
    yield* this.memory();
  }

  /** The last call of a process that is set up: if it goes well, it does not ask again. */
  protected *lastCall(call: Call): Script {
    this.#setup = null;
    yield call;
  }

  protected putText(at: number, text: string): void {
    this.putBytes(
      at,
      Uint8Array.from(`${text}\0`, (c) => c.charCodeAt(0)),
    );
  }

  /** Preconditions: the page is there, and the process's own */
  protected putBytes(at: number, bytes: Uint8Array): void {
    if (!this.port.writeBytes(at, bytes)) throw new Harm('a page is not there');
  }

  /** Writes an executable file. @param pathAt address of its path */
  protected *write(pathAt: number, bytes: Uint8Array): Script {
    const fd = yield [nr('open'), pathAt, 0o1101, 0o755];
    const zeros = yield [nr('open'), this.path('/dev/zero'), 0, 0];
    if (fd < 0 || zeros < 0) throw new Harm(`open: ${fd}, ${zeros}`);
    for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
      const part = bytes.subarray(at, at + CHUNK_BYTES);
      // The kernel makes the pages this process's own.
      yield* this.ok('read', [nr('read'), zeros, BUFFER_AT, part.length], (rc) => rc === part.length);
      this.putBytes(BUFFER_AT, part);
      yield* this.ok('write', [nr('write'), fd, BUFFER_AT, part.length], (rc) => rc === part.length);
    }
    yield [nr('close'), zeros];
    yield* this.ok('close', [nr('close'), fd], (rc) => rc === 0);
  }
}
