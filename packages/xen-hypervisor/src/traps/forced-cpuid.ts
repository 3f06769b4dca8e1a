import { Reg } from '@domu/x86-cpu';
import { XEN_EMULATE_PREFIX } from '@domu/xen-abi';
import type { Vcpu } from '../vcpu.ts';
import { guestCpuid } from './cpuid.ts';
import { injectException } from './deliver.ts';
import { retire } from './emulation.ts';
import { VECTOR_GP } from './vectors.ts';

const CPUID_BYTES: readonly number[] = [0x0f, 0xa2];
const UNREADABLE = -1;

/**
 * `ud2; "xen"; cpuid`: CPUID as Xen shows it, from any ring. The bytes are read at the linear address EIP, as Xen does.
 * @returns false when the #UD is the guest's own
 * Source: xen/arch/x86/pv/emul-inv-op.c @ RELEASE-4.18.0
 */
export function emulateForcedCpuid(vcpu: Vcpu): boolean {
  const { cpu, scratchCpuid: out } = vcpu.domain.machine;
  const start = cpu.eip;
  const prefix = matchBytes(vcpu, start, XEN_EMULATE_PREFIX);
  if (prefix === UNREADABLE) return pageFault(vcpu);
  if (!prefix) return false;
  const insn = start + XEN_EMULATE_PREFIX.length;
  const cpuid = matchBytes(vcpu, insn, CPUID_BYTES);
  if (cpuid === UNREADABLE) return pageFault(vcpu);
  if (!cpuid) return false;
  if (vcpu.cpuidFaulting && cpu.cpl === 3) {
    cpu.eip = insn >>> 0;
    injectException(vcpu, VECTOR_GP, 0);
    return true;
  }
  guestCpuid(vcpu, cpu.regs[Reg.EAX] >>> 0, cpu.regs[Reg.ECX] >>> 0, out);
  cpu.regs[Reg.EAX] = out[0] | 0;
  cpu.regs[Reg.EBX] = out[1] | 0;
  cpu.regs[Reg.ECX] = out[2] | 0;
  cpu.regs[Reg.EDX] = out[3] | 0;
  retire(vcpu, XEN_EMULATE_PREFIX.length + CPUID_BYTES.length);
  return true;
}

function matchBytes(vcpu: Vcpu, va: number, expected: readonly number[]): boolean | typeof UNREADABLE {
  const { cpu } = vcpu.domain.machine;
  for (const [i, byte] of expected.entries()) {
    const got = cpu.readLinear((va + i) >>> 0, 1, cpu.cpl === 3);
    if (got < 0) return UNREADABLE;
    if (got !== byte) return false;
  }
  return true;
}

function pageFault(vcpu: Vcpu): boolean {
  const { exit } = vcpu.domain.machine.cpu;
  injectException(vcpu, exit.vector, exit.errorCode, exit.cr2);
  return true;
}
