import { Assembler, type Label } from './assembler.ts';
import { Body } from './body.ts';
import { COUNTER_AT, DEPTH_AT, PROGRAM_AT, PROGRAM_END, SAVED_SP_AT } from './layout.ts';
import { type Plan, planRoutines, type Style } from './plan.ts';
import type { Random } from './random.ts';
import { emitRoutine, opening } from './routines.ts';
import type { Flavour } from './rows.ts';

/** What both engines start from. */
export interface Program {
  readonly code: readonly number[];
  /** Offsets of instructions that may be replaced by NOPs. */
  readonly spare: ReadonlySet<number>;
  /** Offsets of 32-bit constants, which differ in the second copy of the program. */
  readonly constants: readonly number[];
  readonly registers: readonly number[];
  /** Chooses what memory holds. */
  readonly fill: number;
  /** How often branch targets are reached before they are hot. */
  readonly patience: number;
  /** One branch target of so many can become hot; the top of the main loop can, always. */
  readonly hotShare: number;
  /** Linear address of the top of the main loop. */
  readonly top: number;
  readonly cr0: number;
  readonly cr4: number;
}

const CR0 = 0x80050033;
const CR0_TS = 8;
const OSFXSR_OSXMMEXCPT = 0x600;
const PAGE = 0x1000;
const HOLE_BYTES = 32;

/** A program of given bytes, all of whose branch targets become hot soon. */
export function programFrom(code: readonly number[], registers: readonly number[]): Program {
  const nothing = { spare: new Set<number>(), constants: [], fill: 0 };
  return {
    code,
    registers,
    ...nothing,
    patience: 2,
    hotShare: 1,
    top: PROGRAM_AT,
    cr0: CR0,
    cr4: OSFXSR_OSXMMEXCPT,
  };
}

const ROUGH_TIMES = 12;
const TIMES = 30;

const flavourOf = (random: Random): Flavour =>
  random.chance(50) ? 'integer' : random.pick(['x87', 'sse', 'sse', 'mmx'] as const);

function styleOf(random: Random): Style {
  const flavour = flavourOf(random);
  return {
    flavour,
    orderly: random.chance(75),
    framed: random.chance(50),
    changesWorld: random.chance(25),
    changesCode: random.chance(20),
    vectors: flavour === 'sse' && random.chance(80),
  };
}

/** ESP at first, and again at each round: anywhere, in the middle of a page, across two, and beside pages of every kind. */
function stackAt(random: Random): number {
  switch (random.below(8)) {
    case 0:
      return random.below(0x8000);
    case 1:
      return 0x18000 + random.below(96);
    case 2:
      return 0x16000 + random.below(96);
    case 3:
      return 0x15000 - random.below(32);
    case 4:
      return 0x14f00 + random.below(256) * 4;
    case 5:
      return 0x7000 + 4 * random.below(32);
    default:
      return (0x10000 * random.below(3) + PAGE * random.pick([6, 8, 9, 10]) + 4 * random.below(24)) >>> 0;
  }
}

function startRegisters(random: Random, esp: number): number[] {
  const registers = Array.from({ length: 8 }, () => {
    if (random.chance(20)) return (random.below(64) * PAGE + PAGE - random.below(24)) >>> 0;
    return random.chance(65) ? random.below(0x8000) : random.u32();
  });
  registers[4] = esp;
  return registers;
}

/**
 * A loop of `count` random items and the routines that it calls.
 * @param rough it is compiled at once, and ends sooner
 */
export function programOf(random: Random, count: number, rough: boolean): Program {
  const style = styleOf(random);
  const asm = new Assembler();
  const esp = random.chance(20) ? random.u32() : stackAt(random);
  const plan: Plan = {
    routines: planRoutines(random, asm),
    table: asm.label(),
    hole: asm.label(),
    openings: [],
    landings: [asm.label(), asm.label()],
  };
  asm.emit(0xc7, 0x05);
  asm.word(COUNTER_AT);
  asm.word(rough ? ROUGH_TIMES : TIMES);
  const top = asm.label();
  opening(random, asm, plan, top);
  const resets = random.chance(60);
  if (resets) asm.emit(0xbc, ...[0, 8, 16, 24].map((shift) => (esp >>> shift) & 0xff));
  if (style.framed) asm.emit(0x89, 0xe5);
  asm.emit(0x89, 0x25);
  asm.word(SAVED_SP_AT);
  asm.emit(0xc7, 0x05);
  asm.word(DEPTH_AT);
  asm.word(random.below(7));
  new Body(random, asm, plan, style).main(count);
  endOfLoop(asm, top);
  asm.place(plan.hole);
  for (let i = 0; i < HOLE_BYTES; i++) asm.emit(0x90);
  placeRoutines(random, asm, plan, style);
  const code = asm.finish();
  if (code.length > PROGRAM_END - PROGRAM_AT) throw new Error(`a program of ${code.length} bytes`);
  return {
    code,
    spare: asm.spare,
    constants: asm.constants,
    registers: startRegisters(random, esp),
    fill: random.u32(),
    patience: rough ? 2 : random.pick([1, 2, 4, 8]),
    hotShare: random.pick([1, 16, 32, 64, 64, 64]),
    top: PROGRAM_AT + top.at,
    cr0: (CR0 | (random.chance(3) ? CR0_TS : 0)) >>> 0,
    cr4: random.chance(95) ? OSFXSR_OSXMMEXCPT : 0,
  };
}

/** dec dword [COUNTER]; jnz top; int 0x80 */
function endOfLoop(asm: Assembler, top: Label): void {
  asm.emit(0xff, 0x0d);
  asm.word(COUNTER_AT);
  asm.emit(0x0f, 0x85);
  asm.relative(top);
  asm.emit(0xcd, 0x80);
}

/** Behind the main loop or on the next page, sometimes across its end; the table of their addresses comes last. */
function placeRoutines(random: Random, asm: Assembler, plan: Plan, style: Style): void {
  if (plan.routines.length === 0) return;
  if (random.chance(35)) {
    const next = PAGE - ((PROGRAM_AT + asm.code.length) % PAGE);
    for (let i = random.below(48); i < next; i++) asm.emit(0x90);
  }
  for (const routine of plan.routines) emitRoutine(random, asm, plan, style, routine);
  asm.place(plan.table);
  for (const { entry } of plan.routines) asm.absolute(entry);
}
