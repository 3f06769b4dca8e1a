/** Damaged programs, started one after the other by an ordinary user; the kernel goes on. */
import { type Call, nr } from './calls.ts';
import { Harm } from './guest.ts';
import { mutate } from './mutate.ts';
import { soundPrograms } from './programs.ts';
import {
  type Report,
  type Script,
  STATUS_AT,
  Supervisor,
  type SupervisorOptions,
  TIME_AT,
} from './supervisor.ts';

export interface ElfOptions extends SupervisorOptions {
  /** How many damaged programs. */
  readonly programs: number;
  /** More programs to damage; what they need is among `files`. */
  readonly more?: readonly Uint8Array[];
}

export interface ElfReport extends Report {
  readonly programs: number;
  /** How often execve began a program, and how they ended, by wait status. */
  readonly begun: number;
  readonly endings: ReadonlyMap<number, number>;
}

const ROUND = 100;
/** A program that has not ended by then is ended (virtual time). */
const PATIENCE_NS = 100_000_000;
const STEP_NS = 100_000;
const PATH_AT = TIME_AT + 96;

export class ElfRun extends Supervisor {
  readonly #options: ElfOptions;
  readonly #originals: readonly Uint8Array[];
  readonly #endings = new Map<number, number>();
  #refused = 0;
  #made = 0;

  constructor(options: ElfOptions) {
    const sound = soundPrograms();
    super({ ...options, files: { ld: sound.ld!, ...options.files } });
    this.#options = options;
    this.#originals = [...Object.values(sound), ...(options.more ?? [])];
  }

  /** @throws Harm */
  run(): ElfReport {
    const report = this.complete();
    return { ...report, programs: this.#made, begun: this.#made - this.#refused, endings: this.#endings };
  }

  protected override askWorker(): Call {
    // One that execve refused.
    this.#refused++;
    return [nr('exit_group'), 0];
  }

  protected override *supervise(): Script {
    yield* this.ok('proc', this.mount('proc', '/proc'), (rc) => rc === 0);
    while (this.#made < this.#options.programs) {
      yield* this.freshTmp();
      yield* this.startGuard();
      for (let i = 0; i < ROUND && this.#made < this.#options.programs; i++) yield* this.#try();
      yield* this.seeGuard();
      yield* this.killAll();
      yield* this.endOfRound();
    }
  }

  *#try(): Script {
    const file = mutate(this.random.pick(this.#originals), this.random);
    this.putText(PATH_AT, '/tmp/e');
    yield* this.write(PATH_AT, file);
    const child = yield* this.start(this.#exec());
    this.#made++;
    for (let waited = 0; ; waited += STEP_NS) {
      const pid = yield [nr('waitpid'), child, STATUS_AT, 1];
      if (pid > 0) break;
      if (waited > PATIENCE_NS) yield [nr('kill'), child, 9];
      if (waited > 2 * PATIENCE_NS) throw new Harm('a program could not be ended');
      yield* this.sleep(STEP_NS);
    }
    const status = this.port.read32(STATUS_AT);
    this.#endings.set(status, (this.#endings.get(status) ?? 0) + 1);
    yield [nr('unlink'), PATH_AT];
  }

  *#exec(): Script {
    yield [nr('setresgid32'), 1000, 1000, 1000];
    yield [nr('setresuid32'), 1000, 1000, 1000];
    // An alarm that nobody catches.
    this.put(TIME_AT, [0, 0, 0, 400]);
    yield [nr('setitimer'), 0, TIME_AT, 0];
    this.put(TIME_AT, [PATH_AT, 0, 0]);
    yield* this.lastCall([nr('execve'), PATH_AT, TIME_AT, TIME_AT + 8]);
  }
}
