import { Reg } from '../../src/names.ts';
import type { Row } from '../../src/row.ts';
import { OSZAPC, TF } from '../../src/row.ts';
import type { CaseBuilder } from './case-builder.ts';
import { CODE_BASE, CODE_END } from './layout.ts';
import { CODE_SELECTORS, DATA_SELECTORS } from './segments.ts';

type Profile = (c: CaseBuilder) => void;

/** An offset in a code segment, mostly one that lies within all of them. */
export function farOffset(c: CaseBuilder): number {
  if (c.random.oneIn(8)) return c.value();
  return c.random.oneIn(2) ? c.random.below(0x1000) : CODE_BASE + c.random.below(CODE_END - CODE_BASE);
}

/** A selector with anything above it. */
const dirty = (c: CaseBuilder, selector: number): number => ((c.random.u32() << 16) | selector) >>> 0;

/** The r/m operand is a selector. */
function selectorOperand(c: CaseBuilder): void {
  c.memoryValues = [dirty(c, c.random.pick(DATA_SELECTORS)), c.value()];
  if (c.instance.form !== 'reg') return;
  for (let r = 0; r < 8; r++) c.regs[r] = dirty(c, c.random.pick(DATA_SELECTORS));
}

/** Values as they lie in memory, each of the operand size. */
function words(c: CaseBuilder, values: readonly number[]): number[] {
  if (c.instance.operandSize === 32) return [...values];
  const packed: number[] = [];
  for (let i = 0; i < values.length; i += 2) {
    packed.push((((values[i] as number) & 0xffff) | ((values[i + 1] ?? 0) << 16)) >>> 0);
  }
  return packed;
}

function pushed(c: CaseBuilder, values: readonly number[]): void {
  c.pointStack(Reg.ESP);
  c.patch32(c.stackAddress(Reg.ESP), ...words(c, values));
}

const farPointer =
  (selectors: readonly number[]): Profile =>
  (c) => {
    const selector = dirty(c, c.random.pick(selectors));
    c.memoryValues = words(c, [farOffset(c), selector]);
  };
const popSelector: Profile = (c) => pushed(c, [dirty(c, c.random.pick(DATA_SELECTORS))]);
const farCall: Profile = (c) => {
  c.pointStack(Reg.ESP);
  farPointer(CODE_SELECTORS)(c);
};
const farReturn: Profile = (c) =>
  pushed(c, [farOffset(c), dirty(c, c.random.pick(CODE_SELECTORS)), c.value()]);
/** TF stays set, so that one instruction is one step. */
const interruptReturn: Profile = (c) => {
  const flags = (c.value() & ~OSZAPC) | (c.random.u32() & OSZAPC) | TF;
  pushed(c, [farOffset(c), dirty(c, c.random.pick(CODE_SELECTORS)), flags]);
};
const pushSelector: Profile = (c) => c.pointStack(Reg.ESP);

/** Loading SS holds traps back for one instruction: such a vector runs to a breakpoint instead. */
const unstepped =
  (profile: Profile): Profile =>
  (c) => {
    profile(c);
    c.maxSteps = 0;
  };

const BY_MNEMONIC: Readonly<Record<string, Profile>> = {
  LAR: selectorOperand,
  LSL: selectorOperand,
  VERR: selectorOperand,
  VERW: selectorOperand,
  LES: farPointer(DATA_SELECTORS),
  LDS: farPointer(DATA_SELECTORS),
  LFS: farPointer(DATA_SELECTORS),
  LGS: farPointer(DATA_SELECTORS),
  LSS: unstepped(farPointer(DATA_SELECTORS)),
  JMPF: farPointer(CODE_SELECTORS),
  CALLF: farCall,
  RETF: farReturn,
  IRET: interruptReturn,
};
const SEGMENT_REGISTER = /^=?[ECSDFG]S$/;

/** What an instruction about segments needs; undefined for all others. */
export function segmentProfile(row: Row): Profile | undefined {
  const register = row.operands.find((o) => SEGMENT_REGISTER.test(o));
  if (register === undefined) return BY_MNEMONIC[row.mnemonic];
  if (row.mnemonic === 'PUSH') return pushSelector;
  if (!register.startsWith('=')) return undefined;
  const profile = row.mnemonic === 'POP' ? popSelector : selectorOperand;
  return register === '=SS' ? unstepped(profile) : profile;
}
