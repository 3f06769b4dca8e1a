import type { Cpu } from '@domu/x86-cpu';
import { Seg } from '@domu/x86-cpu';
import { ATTR_DB } from '../selectors.ts';

/** The instructions that Xen emulates when a guest runs them without the privilege. Two-byte opcodes are 0x0F00 | byte. */
export interface PrivilegedInsn {
  readonly opcode: number;
  /** Bytes of the whole instruction. */
  readonly length: number;
  readonly operandSize: 2 | 4;
  readonly addressSize: 2 | 4;
  readonly rep: boolean;
  /** Segment override, or -1. */
  readonly segment: number;
  /** ModRM byte, or -1 when the opcode has none. */
  readonly modrm: number;
  /** Immediate byte (a port), or -1. */
  readonly imm8: number;
}

const MAX_LENGTH = 15;
const SEGMENT_PREFIXES: Readonly<Record<number, number>> = {
  38: Seg.ES,
  46: Seg.CS,
  54: Seg.SS,
  62: Seg.DS,
  100: Seg.FS,
  101: Seg.GS,
};

/** 0F opcodes with a register-form ModRM byte: mov cr/dr, and group 0F 01 (xsetbv, rdtscp). */
const hasModrm = (opcode: number): boolean => (opcode >= 0x0f20 && opcode <= 0x0f23) || opcode === 0x0f01;
const hasImm8 = (opcode: number): boolean => opcode >= 0xe4 && opcode <= 0xe7;

/**
 * Decodes the instruction at CS:EIP as far as the emulator needs it.
 * @returns null when it cannot be fetched or is longer than an instruction may be
 */
export function fetchPrivilegedInsn(cpu: Cpu): PrivilegedInsn | null {
  const base = cpu.seg.base(Seg.CS);
  const limit = cpu.seg.limit(Seg.CS);
  const user = cpu.cpl === 3;
  let length = 0;
  const next = (): number => {
    const offset = (cpu.eip + length) >>> 0;
    if (length === MAX_LENGTH || offset > limit) return -1;
    length++;
    return cpu.readLinear((base + offset) >>> 0, 1, user);
  };
  const wide = (cpu.seg.attr(Seg.CS) & ATTR_DB) !== 0;
  let operandSize: 2 | 4 = wide ? 4 : 2;
  let addressSize: 2 | 4 = wide ? 4 : 2;
  let rep = false;
  let segment = -1;
  for (;;) {
    let opcode = next();
    if (opcode < 0) return null;
    if (opcode === 0x66) operandSize = wide ? 2 : 4;
    else if (opcode === 0x67) addressSize = wide ? 2 : 4;
    else if (opcode === 0xf2 || opcode === 0xf3) rep = true;
    else if (SEGMENT_PREFIXES[opcode] !== undefined) segment = SEGMENT_PREFIXES[opcode];
    else if (opcode === 0xf0)
      return null; // none of these may be locked
    else {
      if (opcode === 0x0f) {
        const second = next();
        if (second < 0) return null;
        opcode = 0x0f00 | second;
      }
      const modrm = hasModrm(opcode) ? next() : -1;
      const imm8 = hasImm8(opcode) ? next() : -1;
      if ((hasModrm(opcode) && modrm < 0) || (hasImm8(opcode) && imm8 < 0)) return null;
      return { opcode, length, operandSize, addressSize, rep, segment, modrm, imm8 };
    }
  }
}
