import { Reg } from '../../src/names.ts';
import { DF } from '../../src/row.ts';
import type { CaseBuilder } from './case-builder.ts';
import { segmentProfile } from './segment-profiles.ts';

const reg = (c: CaseBuilder, n: number): number => c.regs[n] as number;

/** ESP points at data, with something there to pop. */
function stack(c: CaseBuilder): void {
  c.pointStack(Reg.ESP);
  c.patch32(c.stackAddress(Reg.ESP), c.value(), c.value());
}
/** TF would be part of the image. */
function pushFlags(c: CaseBuilder): void {
  stack(c);
  c.maxSteps = 0;
}
function frame(c: CaseBuilder): void {
  stack(c);
  c.pointStack(Reg.EBP);
  c.patch32(c.stackAddress(Reg.EBP), c.value());
}

/** Elements around an address, in both directions. */
const ELEMENTS = 12;

function strings(c: CaseBuilder): void {
  const { random } = c;
  if (random.oneIn(2)) c.eflags ^= DF;
  const source = c.target();
  const destination = random.oneIn(8) ? source + random.below(9) - 4 : c.target();
  c.point(Reg.ESI, c.pointer(source - c.dataBase()));
  c.point(Reg.EDI, c.pointer(destination));
  const data = Array.from({ length: ELEMENTS * 4 }, () => random.below(256));
  if (random.oneIn(2)) data.fill(reg(c, Reg.EAX) & 0xff);
  c.patch(source - 24, data);
  const copy = [...data];
  if (random.oneIn(2)) copy[24 + random.below(16) * (c.eflags & DF ? -1 : 1)] = random.below(256);
  c.patch(destination - 24, copy);
  if (!random.oneIn(3)) repeat(c);
}

function repeat(c: CaseBuilder): void {
  c.rep = c.random.oneIn(2) ? 0xf3 : 0xf2;
  c.maxSteps = 1 + c.random.below(10);
  const count = c.random.oneIn(8) ? c.value() : c.random.below(8);
  c.regs[Reg.ECX] = c.pointer(count);
}

function translate(c: CaseBuilder): void {
  const target = c.target();
  c.point(Reg.EBX, c.pointer(target - c.dataBase() - (reg(c, Reg.EAX) & 0xff)));
}

/** Upper half of the dividend by which the quotient mostly fits. */
function divide(c: CaseBuilder): void {
  const kind = c.random.below(4);
  const eax = reg(c, Reg.EAX);
  const byte = c.instance.row.opcode === 0xf6;
  if (kind === 3) return;
  if (byte) {
    const sign = (eax & 0x80) !== 0 && kind === 1 ? 0xff : kind === 2 ? c.random.below(32) : 0;
    c.regs[Reg.EAX] = ((eax & 0xffff00ff) | (sign << 8)) >>> 0;
    return;
  }
  const top = c.instance.operandSize === 16 ? eax & 0x8000 : eax >>> 31;
  const high = kind === 1 ? (top ? 0xffffffff : 0) : kind === 2 ? c.random.below(64) : 0;
  c.regs[Reg.EDX] = high;
}

/** A bit index in a register reaches memory far from the operand: kept near. */
function bitString(c: CaseBuilder): void {
  if (c.instance.form !== 'mem' || !c.instance.row.operands.includes('Gv')) return;
  const size = c.instance.operandSize;
  c.bitIndex = ((c.random.below(4096) - 2048) << (32 - size)) >> (32 - size);
  c.displacement = (c.bitIndex >> (size === 32 ? 5 : 4)) * (size / 8);
}

/** The operand equals the accumulator every other time. */
function compareExchange(c: CaseBuilder): void {
  if (c.random.oneIn(2)) c.memoryValues = [reg(c, Reg.EAX), reg(c, Reg.EDX)];
}

function count(c: CaseBuilder): void {
  if (c.random.oneIn(2)) c.regs[Reg.ECX] = c.pointer(c.random.below(3));
}

type Profile = (c: CaseBuilder) => void;

/** What an instruction needs beyond random registers to do something, by mnemonic. */
const PROFILES: Readonly<Record<string, Profile>> = {
  PUSH: stack,
  POP: stack,
  PUSHA: stack,
  POPA: stack,
  PUSHF: pushFlags,
  POPF: stack,
  CALL: stack,
  RET: stack,
  ENTER: frame,
  LEAVE: frame,
  MOVS: strings,
  CMPS: strings,
  STOS: strings,
  LODS: strings,
  SCAS: strings,
  INS: strings,
  OUTS: strings,
  XLAT: translate,
  DIV: divide,
  IDIV: divide,
  BT: bitString,
  BTS: bitString,
  BTR: bitString,
  BTC: bitString,
  CMPXCHG: compareExchange,
  CMPXCHG8B: compareExchange,
  LOOP: count,
  LOOPE: count,
  LOOPNE: count,
  JCXZ: count,
};

export function applyProfile(c: CaseBuilder): void {
  const profile = segmentProfile(c.instance.row) ?? PROFILES[c.instance.row.mnemonic];
  profile?.(c);
}
