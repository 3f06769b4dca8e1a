import type { Assembler, Label } from './assembler.ts';
import type { Random } from './random.ts';
import type { Flavour } from './rows.ts';

/** What a program does besides computing. */
export interface Style {
  readonly flavour: Flavour;
  /** Stack and frame pointer are mostly left alone by random instructions. */
  readonly orderly: boolean;
  /** The main loop uses EBP as a frame pointer. */
  readonly framed: boolean;
  /** It has translations, memory and address space changed under it. */
  readonly changesWorld: boolean;
  /** It stores to its own constants. */
  readonly changesCode: boolean;
  /** It accesses aligned vectors. */
  readonly vectors: boolean;
}

/** The parts of a program that refer to each other. */
export interface Plan {
  readonly routines: readonly Routine[];
  /** Addresses of the routines. */
  readonly table: Label;
  /** Bytes of data between code. */
  readonly hole: Label;
  /** First instructions of the main loop and of routines, which load a constant and have three NOPs before them. */
  readonly openings: Label[];
  /** Places in the main loop that routines go to instead of returning. */
  readonly landings: readonly Label[];
}

/** How a routine begins and ends. */
export type Frame = 'none' | 'ebp' | 'saved' | 'enter';
/** Where it goes in the end: back; back behind the constant that follows the call; by POP and JMP; on to another routine; elsewhere. */
type Way = 'return' | 'skip' | 'jump' | 'tail' | 'elsewhere' | 'unwind';

/** A routine that programs call. */
export interface Routine {
  readonly index: number;
  readonly entry: Label;
  readonly frame: Frame;
  readonly way: Way;
  /** Bytes of arguments, and whether RET takes them away. */
  readonly argumentBytes: number;
  readonly popsArguments: boolean;
  /** Whether it is too long to be taken into its callers. */
  readonly isLong: boolean;
  /** Whether it may call itself and those before it. */
  readonly recursive: boolean;
}

const WAYS: readonly Way[] = [
  ...Array<Way>(12).fill('return'),
  ...(['skip', 'skip', 'jump', 'tail', 'tail', 'elsewhere', 'unwind'] as const),
];
const MAX_ROUTINES = 5;

export function planRoutines(random: Random, asm: Assembler): readonly Routine[] {
  const count = random.chance(30) ? 0 : 1 + random.below(MAX_ROUTINES);
  return Array.from({ length: count }, (_, index) => ({
    index,
    entry: asm.label(),
    frame: random.pick(['none', 'ebp', 'ebp', 'ebp', 'saved', 'saved', 'enter'] as const),
    way: random.pick(WAYS),
    argumentBytes: random.chance(50) ? 0 : 4 * (1 + random.below(4)),
    popsArguments: random.chance(50),
    recursive: random.chance(40),
    isLong: random.chance(8),
  }));
}

/** Bytes that a call to the routine leaves on the stack for the caller to take away. */
export const leftBehind = ({ argumentBytes, popsArguments }: Routine): number =>
  popsArguments ? 0 : argumentBytes;
