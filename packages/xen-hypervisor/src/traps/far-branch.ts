import { type Cpu, Reg, Seg } from '@domu/x86-cpu';
import { ATTR_DB } from '../selectors.ts';
import { InsnBytes, type Prefixes, readPrefixes } from './insn-bytes.ts';

/** A far call or jump, as far as a call gate needs it: the gate supplies the offset. */
export interface FarBranch {
  readonly jump: boolean;
  readonly selector: number;
  /** Bytes of the instruction. */
  readonly length: number;
}

const CALL_FAR = 0x9a;
const JMP_FAR = 0xea;
const GROUP_5 = 0xff;
const GROUP_5_CALL_FAR = 3;
const GROUP_5_JMP_FAR = 5;

/** Decodes the far branch at CS:EIP. @returns null when it is none, or cannot be read */
export function fetchFarBranch(cpu: Cpu): FarBranch | null {
  const bytes = new InsnBytes(cpu);
  const prefixes = readPrefixes(bytes, (cpu.seg.attr(Seg.CS) & ATTR_DB) !== 0);
  const { opcode, operandSize } = prefixes;
  if (opcode === CALL_FAR || opcode === JMP_FAR) {
    bytes.value(operandSize);
    const selector = bytes.value(2);
    return selector < 0 ? null : { jump: opcode === JMP_FAR, selector, length: bytes.length };
  }
  if (opcode !== GROUP_5) return null;
  const modrm = bytes.next();
  const operation = (modrm >>> 3) & 7;
  if (modrm < 0 || modrm >= 0xc0) return null;
  if (operation !== GROUP_5_CALL_FAR && operation !== GROUP_5_JMP_FAR) return null;
  const place = prefixes.addressSize === 4 ? address32(cpu, bytes, modrm) : address16(cpu, bytes, modrm);
  const selector = place === null ? -1 : readSelector(cpu, prefixes, place);
  return selector < 0 ? null : { jump: operation === GROUP_5_JMP_FAR, selector, length: bytes.length };
}

/** Offset of a memory operand, and the segment it is in by default. */
interface Place {
  readonly offset: number;
  readonly stack: boolean;
}

/** The selector stands behind the offset of the far pointer. */
function readSelector(cpu: Cpu, { segment, operandSize, addressSize }: Prefixes, place: Place): number {
  const register = segment >= 0 ? segment : place.stack ? Seg.SS : Seg.DS;
  const mask = addressSize === 4 ? 0xffff_ffff : 0xffff;
  const offset = ((place.offset + operandSize) & mask) >>> 0;
  if (offset > cpu.seg.limit(register) - 1) return -1;
  return cpu.readLinear((cpu.seg.base(register) + offset) >>> 0, 2, cpu.cpl === 3);
}

function address32(cpu: Cpu, bytes: InsnBytes, modrm: number): Place | null {
  const mod = modrm >>> 6;
  let base = modrm & 7;
  let offset = 0;
  if (base === Reg.ESP) {
    const sib = bytes.next();
    if (sib < 0) return null;
    base = sib & 7;
    const index = (sib >>> 3) & 7;
    if (index !== Reg.ESP) offset = cpu.regs[index] << (sib >>> 6);
  }
  const absolute = mod === 0 && base === Reg.EBP;
  if (!absolute) offset += cpu.regs[base];
  const displacement = readDisplacement(bytes, absolute ? 4 : ([0, 1, 4] as const)[mod]);
  if (displacement === null) return null;
  return {
    offset: (offset + displacement) >>> 0,
    stack: !absolute && (base === Reg.ESP || base === Reg.EBP),
  };
}

/** Registers of the 16-bit addressing forms. */
const FORMS_16: readonly (readonly number[])[] = [
  [Reg.EBX, Reg.ESI],
  [Reg.EBX, Reg.EDI],
  [Reg.EBP, Reg.ESI],
  [Reg.EBP, Reg.EDI],
  [Reg.ESI],
  [Reg.EDI],
  [Reg.EBP],
  [Reg.EBX],
];

function address16(cpu: Cpu, bytes: InsnBytes, modrm: number): Place | null {
  const mod = modrm >>> 6;
  const absolute = mod === 0 && (modrm & 7) === 6;
  const registers = absolute ? [] : FORMS_16[modrm & 7];
  const displacement = readDisplacement(bytes, absolute ? 2 : ([0, 1, 2] as const)[mod]);
  if (displacement === null) return null;
  const sum = registers.reduce((total, register) => total + cpu.regs[register], displacement);
  return { offset: sum & 0xffff, stack: registers.includes(Reg.EBP) };
}

function readDisplacement(bytes: InsnBytes, size: 0 | 1 | 2 | 4): number | null {
  if (size === 0) return 0;
  const value = bytes.value(size);
  if (value < 0) return null;
  return size === 1 ? (value << 24) >> 24 : value;
}
