import { Reg, Seg } from '@domu/x86-cpu';
import { ATTR_CODE, ATTR_PRESENT, ATTR_S, ATTR_WRITABLE } from '../selectors.ts';
import type { Vcpu } from '../vcpu.ts';
import { ioBreakpoints } from './debug-registers.ts';
import { injectException } from './deliver.ts';
import { type Emulation, ioplSuffices, retire } from './emulation.ts';
import type { PrivilegedInsn } from './privileged-insn.ts';
import { VECTOR_DB, VECTOR_GP, VECTOR_SS } from './vectors.ts';

const EFLAGS_DF = 0x400;
/** A repeated string instruction is done in pieces, so that events get through. */
const MAX_REPS = 1024;

/** IN, OUT, INS, OUTS. No domain owns ports: reads give ones, writes go nowhere, but privilege is checked as Xen does. */
export function emulatePortIo(vcpu: Vcpu, insn: PrivilegedInsn): Emulation {
  const { cpu } = vcpu.domain.machine;
  const { opcode } = insn;
  const bytes = (opcode & 1) === 0 ? 1 : insn.operandSize;
  const port = insn.imm8 >= 0 ? insn.imm8 : cpu.regs[Reg.EDX] & 0xffff;
  if (!portAllowed(vcpu, port, bytes)) return 'refused';
  const hits = ioBreakpoints(vcpu, port, bytes);
  if (opcode < 0x70) {
    const result = emulateString(vcpu, insn, bytes);
    if (result !== 'done') return result;
  } else if ((opcode & 2) === 0) {
    const mask = bytes === 4 ? -1 : (1 << (8 * bytes)) - 1;
    cpu.regs[Reg.EAX] |= mask;
  }
  if (hits === 0) return 'done';
  retire(vcpu, insn.length);
  vcpu.debugregs[6] |= hits;
  injectException(vcpu, VECTOR_DB, -1);
  return 'handled';
}

/** By virtual IOPL, or by the guest's own I/O permission bitmap, whose unreadable parts refuse. */
function portAllowed(vcpu: Vcpu, port: number, bytes: number): boolean {
  if (ioplSuffices(vcpu)) return true;
  if (port + bytes > vcpu.iobitmapPorts) return false;
  const at = (vcpu.iobitmapVa + (port >>> 3)) >>> 0;
  const low = vcpu.mem.readU8(at);
  const high = vcpu.mem.readU8(at + 1);
  const mask = (low < 0 ? 0xff : low) | ((high < 0 ? 0xff : high) << 8);
  return (mask & (((1 << bytes) - 1) << (port & 7))) === 0;
}

function emulateString(vcpu: Vcpu, insn: PrivilegedInsn, bytes: 1 | 2 | 4): Emulation {
  const { cpu } = vcpu.domain.machine;
  const input = (insn.opcode & 2) === 0;
  const segment = input ? Seg.ES : insn.segment >= 0 ? insn.segment : Seg.DS;
  const index = input ? Reg.EDI : Reg.ESI;
  const wrap = insn.addressSize === 4 ? 0xffff_ffff : 0xffff;
  const step = (cpu.eflags & EFLAGS_DF) !== 0 ? -bytes : bytes;
  if (!usable(cpu.seg.attr(segment), input)) return fault(vcpu, segment);
  for (let reps = 0; ; reps++) {
    const count = insn.rep ? (cpu.regs[Reg.ECX] & wrap) >>> 0 : 1;
    if (count === 0) return 'done';
    if (reps === MAX_REPS) return 'handled';
    const offset = (cpu.regs[index] & wrap) >>> 0;
    if (offset > cpu.seg.limit(segment) - (bytes - 1)) return fault(vcpu, segment);
    const linear = (cpu.seg.base(segment) + offset) >>> 0;
    const user = cpu.cpl === 3;
    const ok = input ? cpu.writeLinear(linear, bytes, -1, user) : cpu.readLinear(linear, bytes, user) >= 0;
    if (!ok) {
      injectException(vcpu, cpu.exit.vector, cpu.exit.errorCode, cpu.exit.cr2);
      return 'handled';
    }
    cpu.regs[index] = merge(cpu.regs[index], offset + step, wrap);
    if (!insn.rep) return 'done';
    cpu.regs[Reg.ECX] = merge(cpu.regs[Reg.ECX], count - 1, wrap);
  }
}

function usable(attr: number, written: boolean): boolean {
  if ((attr & (ATTR_S | ATTR_PRESENT)) !== (ATTR_S | ATTR_PRESENT)) return false;
  const code = (attr & ATTR_CODE) !== 0;
  return written ? !code && (attr & ATTR_WRITABLE) !== 0 : !code || (attr & ATTR_WRITABLE) !== 0;
}

function fault(vcpu: Vcpu, segment: number): Emulation {
  injectException(vcpu, segment === Seg.SS ? VECTOR_SS : VECTOR_GP, 0);
  return 'handled';
}

const merge = (old: number, value: number, mask: number): number => (old & ~mask) | (value & mask);
