import { Reg, Vector } from '../names.ts';
import type { Helper } from './helper-cpu.ts';
import { FpuClass } from './helper-cpu.ts';

const CR0_MP = 0x2;
const CR0_EM = 0x4;
const CR0_TS = 0x8;
const CR4_TSD = 0x4;
const CR4_OSFXSR = 0x200;

/** CPUID by the bus; it may refuse with #GP(0). */
export const cpuid: Helper = (cpu) => {
  const { regs, scratch } = cpu;
  const known = cpu.bus.cpuid(regs[Reg.EAX]! >>> 0, regs[Reg.ECX]! >>> 0, scratch);
  if (!known) return cpu.fault(Vector.GP, 0);
  regs[Reg.EAX] = scratch[0]!;
  regs[Reg.EBX] = scratch[1]!;
  regs[Reg.ECX] = scratch[2]!;
  regs[Reg.EDX] = scratch[3]!;
  return 0;
};

/** RDTSC: #GP(0) above level 0 under CR4.TSD. */
export const rdtsc: Helper = (cpu) => {
  if (cpu.cr4 & CR4_TSD && cpu.cpl > 0) return cpu.fault(Vector.GP, 0);
  const ticks = cpu.bus.rdtsc();
  cpu.regs[Reg.EAX] = ticks % 2 ** 32;
  cpu.regs[Reg.EDX] = Math.floor(ticks / 2 ** 32);
  return 0;
};

/**
 * Floating point and SIMD, none of it implemented: #NM where the control registers ask for it, so that lazy context
 * switches are seen, and otherwise a counted #UD. WAIT has no pending exception to report and passes.
 * Source: SDM vol. 3, table 9-3 and section 13.1
 */
export const fpu: Helper = (cpu, kind) => {
  const emulated = (cpu.cr0 & CR0_EM) !== 0;
  const switched = (cpu.cr0 & CR0_TS) !== 0;
  if (kind === FpuClass.Wait) {
    return switched && cpu.cr0 & CR0_MP ? cpu.fault(Vector.NM, -1) : 0;
  }
  const disabled =
    kind === FpuClass.X87 ? false : emulated || (kind === FpuClass.Sse && !(cpu.cr4 & CR4_OSFXSR));
  if (disabled) return cpu.fault(Vector.UD, -1);
  if (switched || emulated) return cpu.fault(Vector.NM, -1);
  cpu.metrics.udFpu++;
  return cpu.fault(Vector.UD, -1);
};

/** Result 0: a value that SGDT, SIDT, SLDT or STR stores. */
export const systemRegister: Helper = (cpu, register) => {
  cpu.setResult(0, cpu.systemRegister(register));
  return 0;
};

export const sysenterAllowed: Helper = (cpu) => (cpu.fastSystemCalls.sysenter ? 0 : cpu.fault(Vector.GP, 0));

export const syscallAllowed: Helper = (cpu) => (cpu.fastSystemCalls.syscall ? 0 : cpu.fault(Vector.UD, -1));

export const deferTraps: Helper = (cpu) => {
  cpu.deferTraps();
  return 0;
};
