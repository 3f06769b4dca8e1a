import { S, X87_BYTES } from '../../src/state.ts';
import { LockstepMachine } from './machine.ts';
import { type Program, Random, randomProgram } from './program.ts';

const INSTRUCTIONS = 50;
const MAX_SLICES = 120;
/** One program of so many is rough: it keeps its faults and stores to its own code, and is compiled at once. */
const ROUGH = 8;
const ROUGH_TIMES = 12;
const ROUGH_PATIENCE = 2;
const TIMES = 20;
const PATIENCE = 12;
/** Instructions after which a program that is not rough has shown most of its faults. */
const TRIAL = 150;

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
  readonly interpreter: LockstepMachine = new LockstepMachine('interpreter');
  readonly jit: LockstepMachine = new LockstepMachine('jit');
  readonly #tamer: LockstepMachine = new LockstepMachine('interpreter');

  /** Runs the program of a seed. @returns the first difference, or null */
  run(seed: number): Difference | null {
    const random = new Random(seed);
    return this.compare(this.#program(seed, random), seed, random);
  }

  /** Runs a program in slices that `random` chooses. @returns the first difference, or null */
  compare(program: Program, seed: number, random: Random): Difference | null {
    this.interpreter.start(program);
    this.jit.start(program);
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

  #program(seed: number, random: Random): Program {
    const rough = seed % ROUGH === 0;
    const program = {
      code: randomProgram(random, INSTRUCTIONS, rough ? ROUGH_TIMES : TIMES),
      registers: Array.from({ length: 8 }, () => (random.chance(60) ? random.below(0x8000) : random.u32())),
      fill: random.u32(),
      patience: rough ? ROUGH_PATIENCE : PATIENCE,
    };
    return rough ? program : this.#tamer.tame(program, TRIAL);
  }

  #observe(machine: LockstepMachine, budget: number, retiredBase: number): string {
    const what = machine.slice(budget);
    const { cpu } = machine;
    const regs = [...cpu.regs].map((r) => (r >>> 0).toString(16)).join(' ');
    return `${what} eip ${cpu.eip.toString(16)} eflags ${cpu.eflags.toString(16)} n ${cpu.retired + retiredBase} ${regs}${x87Of(machine)}`;
  }

  #difference(seed: number, slice: number, interpreter: string, jit: string, program: Program): Difference {
    return {
      seed,
      slice,
      interpreter,
      jit,
      program: program.code.map((b) => b.toString(16).padStart(2, '0')).join(''),
    };
  }

  get compiled(): number {
    return this.jit.cpu.codeMetrics?.compiled ?? 0;
  }
}

/** The x87 stack with its words, as text; nothing while it is as it starts. */
function x87Of({ cpu }: LockstepMachine): string {
  const words = cpu.state;
  const registers = words.subarray(S.x87 >> 2, (S.x87 + 8 * X87_BYTES) >> 2);
  if (registers.every((word) => word === 0)) return '';
  const [top, tags, status] = [S.ftop, S.ftags, S.fsw].map((at) => words[at >> 2]);
  return ` x87 ${top} ${tags} ${status} ${[...registers].join(' ')}`;
}
