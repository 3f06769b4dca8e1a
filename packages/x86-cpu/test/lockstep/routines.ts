import type { Assembler, Label } from './assembler.ts';
import { Body } from './body.ts';
import { DEPTH_AT, SAVED_SP_AT } from './layout.ts';
import { type Frame, leftBehind, type Plan, type Routine, type Style } from './plan.ts';
import type { Random } from './random.ts';

const LONG = 75;
const NOPS = [0x90, 0x90, 0x90];

/** Places a label at the load of a constant, at which a store can reach from before. */
export function opening(random: Random, asm: Assembler, plan: Plan, label: Label): void {
  asm.emit(...NOPS);
  asm.place(label);
  asm.constant(random.pick([0, 1, 2, 3, 6, 7]), random.u32());
  plan.openings.push(label);
}

export function emitRoutine(
  random: Random,
  asm: Assembler,
  plan: Plan,
  style: Style,
  routine: Routine,
): void {
  const out = asm.label();
  opening(random, asm, plan, routine.entry);
  if (routine.recursive) {
    // dec dword [DEPTH]; jle out
    asm.emit(0xff, 0x0d);
    asm.word(DEPTH_AT);
    asm.emit(0x0f, 0x8e);
    asm.relative(out);
  }
  const locals = 4 * random.below(20);
  enter(asm, routine.frame, locals);
  new Body(random, asm, plan, style).inside(routine, routine.isLong ? LONG : 2 + random.below(14));
  leave(random, asm, routine.frame, locals);
  asm.place(out);
  goBack(random, asm, plan, routine);
}

function enter(asm: Assembler, frame: Frame, locals: number): void {
  const subEsp = [0x83, 0xec, locals];
  if (frame === 'ebp') asm.emit(0x55, 0x89, 0xe5, ...subEsp);
  else if (frame === 'saved') asm.emit(0x53, 0x56, 0x57, ...subEsp);
  else if (frame === 'enter') asm.emit(0xc8, locals, 0, 0);
}

function leave(random: Random, asm: Assembler, frame: Frame, locals: number): void {
  if (frame === 'ebp' || frame === 'enter') asm.emit(...(random.chance(60) ? [0xc9] : [0x89, 0xec, 0x5d]));
  else if (frame === 'saved') asm.emit(0x83, 0xc4, locals, 0x5f, 0x5e, 0x5b);
}

function goBack(random: Random, asm: Assembler, plan: Plan, routine: Routine): void {
  const { way, popsArguments, argumentBytes } = routine;
  const ret = popsArguments && argumentBytes > 0 ? [0xc2, argumentBytes, 0] : [0xc3];
  switch (way) {
    case 'skip':
      // add dword [esp], 5
      asm.emit(0x83, 0x04, 0x24, 5, ...ret);
      return;
    case 'jump':
      if (popsArguments && argumentBytes > 0) asm.emit(...ret);
      else asm.emit(0x59, 0xff, 0xe1);
      return;
    case 'tail': {
      const later = plan.routines.filter(
        (r) =>
          r.index > routine.index &&
          r.way !== 'skip' &&
          leftBehind(r) === leftBehind(routine) &&
          r.popsArguments === popsArguments &&
          r.argumentBytes === argumentBytes,
      );
      if (later.length === 0) asm.emit(...ret);
      else {
        asm.emit(0xe9);
        asm.relative(random.pick(later).entry);
      }
      return;
    }
    case 'elsewhere':
      // push landing; ret: the return address stays where it is
      asm.emit(0x68);
      asm.absolute(random.pick(plan.landings));
      asm.emit(0xc3);
      return;
    case 'unwind':
      // mov esp, [SAVED_SP]; jmp landing
      asm.emit(0x8b, 0x25);
      asm.word(SAVED_SP_AT);
      asm.emit(0xe9);
      asm.relative(random.pick(plan.landings));
      return;
    default:
      asm.emit(...ret);
  }
}
