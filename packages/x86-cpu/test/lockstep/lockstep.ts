import { LockstepMachine } from './machine.ts';
import { Random, randomProgram } from './program.ts';

const INSTRUCTIONS = 50;
const TIMES = 12;
const MAX_SLICES = 400;

/** The first difference between the engines. */
export interface Difference {
  readonly seed: number;
  readonly slice: number;
  readonly interpreter: string;
  readonly jit: string;
  readonly program: string;
}

/** Runs random programs on the interpreter and on compiled code side by side. */
export class Lockstep {
  readonly interpreter: LockstepMachine = new LockstepMachine('interpreter', 2);
  readonly jit: LockstepMachine = new LockstepMachine('jit', 2);

  /** @returns the first difference, or null */
  run(seed: number): Difference | null {
    const random = new Random(seed);
    const program = randomProgram(random, INSTRUCTIONS, TIMES);
    const registers = Array.from({ length: 8 }, () =>
      random.chance(60) ? random.below(0x8000) : random.u32(),
    );
    const fill = random.u32() | 1;
    this.interpreter.start(program, registers, fill);
    this.jit.start(program, registers, fill);
    const base = this.interpreter.cpu.retired - this.jit.cpu.retired;
    for (let slice = 0; slice < MAX_SLICES; slice++) {
      const budget = 1 + random.below(random.chance(20) ? 7 : 300);
      const a = this.#observe(this.interpreter, budget, 0);
      const b = this.#observe(this.jit, budget, base);
      if (a !== b) return this.#difference(seed, slice, a, b, program);
      if (a.startsWith('2 ')) break;
    }
    const [a, b] = [`memory ${this.interpreter.memory()}`, `memory ${this.jit.memory()}`];
    return a === b ? null : this.#difference(seed, MAX_SLICES, a, b, program);
  }

  #observe(machine: LockstepMachine, budget: number, retiredBase: number): string {
    const what = machine.slice(budget);
    const { cpu } = machine;
    const regs = [...cpu.regs].map((r) => (r >>> 0).toString(16)).join(' ');
    return `${what} eip ${cpu.eip.toString(16)} eflags ${cpu.eflags.toString(16)} n ${cpu.retired + retiredBase} ${regs}`;
  }

  #difference(
    seed: number,
    slice: number,
    interpreter: string,
    jit: string,
    program: readonly number[],
  ): Difference {
    return {
      seed,
      slice,
      interpreter,
      jit,
      program: program.map((b) => b.toString(16).padStart(2, '0')).join(''),
    };
  }

  get compiled(): number {
    return this.jit.cpu.codeMetrics?.compiled ?? 0;
  }
}
