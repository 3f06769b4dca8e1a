import { VMASST_TYPE_architectural_iopl } from '@domu/xen-abi';
import type { Vcpu } from '../vcpu.ts';
import { injectException } from './deliver.ts';
import { EFLAGS_RF, EFLAGS_TF, VECTOR_DB } from './vectors.ts';

const DR6_BS = 0x4000;

/**
 * `done`: go on behind the instruction. `refused`: the guest gets the #GP it caused. `handled`: registers and EIP are
 * set already, or another exception has been injected.
 */
export type Emulation = 'done' | 'refused' | 'handled';

/** Steps over an emulated instruction; a single-step trap is due if TF was set. */
export function retire(vcpu: Vcpu, length: number): void {
  const { cpu } = vcpu.domain.machine;
  cpu.eip = (cpu.eip + length) >>> 0;
  const flags = cpu.eflags;
  cpu.eflags = flags & ~EFLAGS_RF;
  if ((flags & EFLAGS_TF) === 0) return;
  vcpu.debugregs[6] |= DR6_BS;
  injectException(vcpu, VECTOR_DB, -1);
}

/** The guest's IOPL suffices at its present privilege level. */
export function ioplSuffices(vcpu: Vcpu): boolean {
  const { cpl } = vcpu.domain.machine.cpu;
  const kernelLevel = vcpu.domain.hasAssist(VMASST_TYPE_architectural_iopl) ? 0 : 1;
  return (cpl < 3 ? kernelLevel : 3) <= vcpu.viopl;
}
