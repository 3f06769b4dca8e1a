import { type Cpu, Seg } from '@domu/x86-cpu';
import { ATTR_DB } from '../selectors.ts';
import { InsnBytes, readPrefixes } from './insn-bytes.ts';

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

/** 0F opcodes with a register-form ModRM byte: mov cr/dr, and group 0F 01 (xsetbv, rdtscp). */
const hasModrm = (opcode: number): boolean => (opcode >= 0x0f20 && opcode <= 0x0f23) || opcode === 0x0f01;
const hasImm8 = (opcode: number): boolean => opcode >= 0xe4 && opcode <= 0xe7;

/**
 * Decodes the instruction at CS:EIP as far as the emulator needs it.
 * @returns null when it cannot be fetched or is longer than an instruction may be
 */
export function fetchPrivilegedInsn(cpu: Cpu): PrivilegedInsn | null {
  const bytes = new InsnBytes(cpu);
  const prefixes = readPrefixes(bytes, (cpu.seg.attr(Seg.CS) & ATTR_DB) !== 0);
  const first = prefixes.opcode;
  if (first < 0 || prefixes.lock) return null;
  const second = first === 0x0f ? bytes.next() : 0;
  if (second < 0) return null;
  const opcode = first === 0x0f ? 0x0f00 | second : first;
  const modrm = hasModrm(opcode) ? bytes.next() : -1;
  const imm8 = hasImm8(opcode) ? bytes.next() : -1;
  if ((hasModrm(opcode) && modrm < 0) || (hasImm8(opcode) && imm8 < 0)) return null;
  const { operandSize, addressSize, rep, segment } = prefixes;
  return { opcode, length: bytes.length, operandSize, addressSize, rep, segment, modrm, imm8 };
}
