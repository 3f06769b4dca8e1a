import { Reg } from '@domu/x86-cpu';
import { XEN_ENODEV } from '@domu/xen-abi';
import type { Vcpu } from '../vcpu.ts';
import { readControlRegister, writeControlRegister } from './control-registers.ts';
import { getDebugreg, setDebugreg } from './debug-registers.ts';
import { injectException } from './deliver.ts';
import { type Emulation, ioplSuffices, retire } from './emulation.ts';
import { readMsr, writeMsr } from './msr.ts';
import { emulatePortIo } from './port-io.ts';
import { fetchPrivilegedInsn, type PrivilegedInsn } from './privileged-insn.ts';
import { VECTOR_UD } from './vectors.ts';

const CR4_TSD = 4;

/**
 * Tries to do for the guest what it has not the privilege to do itself; called for #GP(0).
 * @returns false when the guest shall see the #GP
 * Source: xen/arch/x86/pv/emul-priv-op.c @ RELEASE-4.18.0
 */
export function emulatePrivileged(vcpu: Vcpu): boolean {
  const { cpu, counters } = vcpu.domain.machine;
  const insn = fetchPrivilegedInsn(cpu);
  if (insn === null) return false;
  const result = emulate(vcpu, insn);
  if (result === 'refused') return false;
  counters.emulated++;
  if (result === 'done') retire(vcpu, insn.length);
  return true;
}

function emulate(vcpu: Vcpu, insn: PrivilegedInsn): Emulation {
  const { machine } = vcpu.domain;
  const { cpu } = machine;
  const { opcode } = insn;
  if (
    (opcode >= 0xe4 && opcode <= 0xe7) ||
    (opcode >= 0xec && opcode <= 0xef) ||
    (opcode >= 0x6c && opcode <= 0x6f)
  ) {
    return emulatePortIo(vcpu, insn);
  }
  if (opcode === 0xfa || opcode === 0xfb) return ioplSuffices(vcpu) ? 'done' : 'refused';
  const kernel = cpu.cpl < 3;
  switch (opcode) {
    case 0x0fa2:
      return emulateCpuid(vcpu);
    case 0x0f31:
      return emulateRdtsc(vcpu, kernel);
    default:
      return kernel ? emulateKernelOnly(vcpu, insn) : 'refused';
  }
}

function emulateKernelOnly(vcpu: Vcpu, insn: PrivilegedInsn): Emulation {
  const { cpu } = vcpu.domain.machine;
  const reg = (insn.modrm >>> 3) & 7;
  const rm = insn.modrm & 7;
  switch (insn.opcode) {
    case 0x0f06:
      return writeControlRegister(vcpu, 0, readControlRegister(vcpu, 0) & ~8) ? 'done' : 'refused';
    case 0x0f09:
      return 'done';
    case 0x0f20: {
      if (reg !== 0 && reg !== 2 && reg !== 3 && reg !== 4) return undefinedOpcode(vcpu);
      cpu.regs[rm] = readControlRegister(vcpu, reg) | 0;
      return 'done';
    }
    case 0x0f22:
      if (reg !== 0 && reg !== 2 && reg !== 3 && reg !== 4) return undefinedOpcode(vcpu);
      return writeControlRegister(vcpu, reg, cpu.regs[rm] >>> 0) ? 'done' : 'refused';
    case 0x0f21: {
      const value = getDebugreg(vcpu, reg);
      if (value === null) return undefinedOpcode(vcpu);
      cpu.regs[rm] = value;
      return 'done';
    }
    case 0x0f23: {
      const rc = setDebugreg(vcpu, reg, cpu.regs[rm]);
      if (rc === -XEN_ENODEV) return undefinedOpcode(vcpu);
      return rc === 0 ? 'done' : 'refused';
    }
    case 0x0f30: {
      const ok = writeMsr(vcpu, cpu.regs[Reg.ECX] >>> 0, cpu.regs[Reg.EAX] >>> 0, cpu.regs[Reg.EDX] >>> 0);
      return ok ? 'done' : 'refused';
    }
    case 0x0f32: {
      const value = readMsr(vcpu, cpu.regs[Reg.ECX] >>> 0);
      if (value === null) return 'refused';
      cpu.regs[Reg.EAX] = value[0] | 0;
      cpu.regs[Reg.EDX] = value[1] | 0;
      return 'done';
    }
    default:
      return 'refused';
  }
}

/** Only reached when cpuid faults for this vCPU; the kernel never sees that. */
function emulateCpuid(vcpu: Vcpu): Emulation {
  const { cpu, bus, scratchCpuid: out } = vcpu.domain.machine;
  if (!bus.cpuid(cpu.regs[Reg.EAX] >>> 0, cpu.regs[Reg.ECX] >>> 0, out)) return 'refused';
  cpu.regs[Reg.EAX] = out[0] | 0;
  cpu.regs[Reg.EBX] = out[1] | 0;
  cpu.regs[Reg.ECX] = out[2] | 0;
  cpu.regs[Reg.EDX] = out[3] | 0;
  return 'done';
}

/** Faults only under CR4.TSD, which keeps user mode out. */
function emulateRdtsc(vcpu: Vcpu, kernel: boolean): Emulation {
  const { cpu, bus } = vcpu.domain.machine;
  if (!kernel && (vcpu.cr4 & CR4_TSD) !== 0) return 'refused';
  const tsc = bus.rdtsc();
  cpu.regs[Reg.EAX] = tsc | 0;
  cpu.regs[Reg.EDX] = Math.floor(tsc / 2 ** 32) | 0;
  return 'done';
}

function undefinedOpcode(vcpu: Vcpu): Emulation {
  injectException(vcpu, VECTOR_UD, -1);
  return 'handled';
}
