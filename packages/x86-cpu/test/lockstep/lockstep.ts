import { MAPPED_PAGES, WorldChange } from './layout.ts';
import { LockstepMachine } from './machine.ts';
import { difference } from './observe.ts';
import { type Program, programOf } from './program.ts';
import { Random } from './random.ts';

/** Items of a main loop, each an instruction or more. */
const INSTRUCTIONS = 50;
const MAX_SLICES = 120;
/** Instructions after which a program that is not rough has shown most of its faults. */
const TRIAL = 150;

/** The first difference between the engines. */
export interface Difference {
  readonly seed: number;
  readonly slice: number;
  /** What compiled code has, not what the interpreter has. */
  readonly differs: string;
  readonly eip: number;
  readonly program: string;
}

/** Runs random programs on the interpreter and on compiled code side by side. */
export class Lockstep {
  readonly interpreter: LockstepMachine = new LockstepMachine('interpreter');
  readonly jit: LockstepMachine = new LockstepMachine('jit');
  /** Instructions that all programs have retired. */
  retired = 0;

  /** Runs the program of a seed. @returns the first difference, or null */
  run(seed: number): Difference | null {
    const random = new Random(seed);
    return this.compare(this.program(random), seed, random);
  }

  /** The program that `random` chooses. */
  program(random: Random): Program {
    const rough = random.chance(12);
    const program = programOf(random, INSTRUCTIONS, rough);
    return rough ? program : this.interpreter.tame(program, TRIAL);
  }

  /** Runs a program in slices that `random` chooses. @returns the first difference, or null */
  compare(program: Program, seed: number, random: Random): Difference | null {
    const { interpreter, jit } = this;
    interpreter.start(program);
    jit.start(program);
    let slice = 0;
    for (let ended = false; slice < MAX_SLICES && !ended; slice++) {
      const budget = 1 + random.below(random.chance(20) ? 7 : 300);
      const at = interpreter.cpu.eip;
      const [a, b] = [interpreter.slice(budget), jit.slice(budget)];
      const differs =
        a === b ? difference(jit, interpreter) : `${b}, not ${a}; ${difference(jit, interpreter)}`;
      if (differs)
        return { seed, slice, differs, eip: at, program: Buffer.from(program.code).toString('hex') };
      ended = a.startsWith('2 ');
      if (random.chance(4)) this.#changeWorld(random);
    }
    this.retired += interpreter.retired;
    return null;
  }

  /** What may happen between slices. */
  #changeWorld(random: Random): void {
    const operation = random.pick(Object.values(WorldChange));
    const change = operation | (random.below(MAPPED_PAGES) << 4) | (random.below(0x800) << 12);
    this.interpreter.change(change);
    this.jit.change(change);
  }

  get compiled(): number {
    return this.jit.cpu.codeMetrics?.compiled ?? 0;
  }
  get modules(): number {
    return this.jit.cpu.codeMetrics?.modules ?? 0;
  }
}
