import { Exit, Reg, Seg } from '@domu/x86-cpu';
import { FLAT_RING3_CS, FLAT_RING3_SS, HYPERCALL_VECTOR } from '@domu/xen-abi';
import { bug } from '../bug.ts';
import { dispatchHypercall } from '../hypercalls/dispatch.ts';
import { isNullSelector } from '../selectors.ts';
import { callSemihost } from '../semihost.ts';
import type { Vcpu } from '../vcpu.ts';
import { emulateCallGate } from './call-gate.ts';
import { setTaskSwitched } from './control-registers.ts';
import { injectCallback, injectException, injectSoftInterrupt } from './deliver.ts';
import { emulatePrivileged } from './emulate-privileged.ts';
import { emulateForcedCpuid } from './forced-cpuid.ts';
import { emulatePageTableWrite } from './ptwr.ts';
import {
  EFLAGS_IF,
  VECTOR_BP,
  VECTOR_DB,
  VECTOR_GP,
  VECTOR_INT80,
  VECTOR_NM,
  VECTOR_OF,
  VECTOR_PF,
  VECTOR_UD,
  XEC_IDT,
} from './vectors.ts';

/** Bytes of `syscall`. */
const SYSCALL_LENGTH = 2;

/** Handles one departure of the CPU from the guest: afterwards the vCPU can go on, sleeps, or its domain is gone. */
export function handleExit(vcpu: Vcpu, exit: Exit): void {
  const { observer } = vcpu.domain.machine;
  observer?.exitBegins(vcpu, exit);
  dispatch(vcpu, exit);
  // A handler that is a semihosting instruction is called at once: the CPU would come straight back with its #UD.
  if (vcpu.domain.semihost !== null && vcpu.runnable && !vcpu.eventDeliverable) callSemihost(vcpu);
  observer?.exitEnds(vcpu);
}

function dispatch(vcpu: Vcpu, exit: Exit): void {
  switch (exit) {
    case Exit.Budget:
      return;
    case Exit.Interrupt:
      return handleSoftInterrupt(vcpu);
    case Exit.Fault:
      return handleFault(vcpu);
    case Exit.Sysenter:
      return handleSysenter(vcpu);
    case Exit.Syscall:
      return handleSyscall(vcpu);
    default:
      bug(`CPU exit ${exit} at CPL ${vcpu.domain.machine.cpu.cpl}`);
  }
}

/**
 * `int n`. On hardware all of Xen's gates but the hypercall's have DPL 0, so the instruction faults with an error code
 * that names the gate, and Xen looks up the guest's own gate.
 */
function handleSoftInterrupt(vcpu: Vcpu): void {
  const { cpu, counters } = vcpu.domain.machine;
  const { vector, length } = cpu.exit;
  const kernel = cpu.cpl < 3;
  if (vector === HYPERCALL_VECTOR && kernel) return dispatchHypercall(vcpu, length);
  counters.traps[vector]++;
  const breakpoint = vector === VECTOR_BP || vector === VECTOR_OF;
  const direct80 = vector === VECTOR_INT80 && !isNullSelector(vcpu.traps.cs[vector]);
  if (breakpoint || direct80 || vcpu.traps.dpl(vector) >= (kernel ? 1 : 3))
    return injectSoftInterrupt(vcpu, vector);
  cpu.eip = (cpu.eip - length) >>> 0;
  injectException(vcpu, VECTOR_GP, (vector << 3) | XEC_IDT);
}

function handleFault(vcpu: Vcpu): void {
  const { cpu, counters } = vcpu.domain.machine;
  const { vector, errorCode, cr2 } = cpu.exit;
  counters.traps[vector]++;
  switch (vector) {
    case VECTOR_GP:
      if (errorCode === 0 ? emulatePrivileged(vcpu) : emulateCallGate(vcpu, errorCode)) return;
      break;
    case VECTOR_PF: {
      const next = emulatePageTableWrite(vcpu, errorCode, cr2);
      if (next !== null) return dispatch(vcpu, next);
      break;
    }
    case VECTOR_UD:
      if (callSemihost(vcpu) || emulateForcedCpuid(vcpu)) return;
      break;
    case VECTOR_NM:
      setTaskSwitched(vcpu, false);
      break;
    case VECTOR_DB:
      vcpu.debugregs[6] |= cpu.exit.dr6;
      break;
    default:
  }
  injectException(vcpu, vector, errorCode, cr2);
}

/**
 * SYSENTER tells nobody where it came from: the frame holds Xen's flat user selectors and zeros.
 * Source: xen/arch/x86/x86_64/entry.S sysenter_entry, compat/entry.S compat_sysenter @ RELEASE-4.18.0
 */
function handleSysenter(vcpu: Vcpu): void {
  const { cpu } = vcpu.domain.machine;
  setUserFlat(vcpu);
  cpu.seg.setRaw(Seg.CS, 3, 0, 0xffff_ffff, cpu.seg.attr(Seg.CS));
  cpu.regs[Reg.ESP] = 0;
  cpu.eip = 0;
  cpu.eflags = EFLAGS_IF | 2;
  const { sysenter } = vcpu.callbacks;
  if (isNullSelector(sysenter.cs)) injectException(vcpu, VECTOR_GP, 0);
  else injectCallback(vcpu, sysenter, sysenter.maskEvents);
}

function handleSyscall(vcpu: Vcpu): void {
  const { cpu } = vcpu.domain.machine;
  setUserFlat(vcpu);
  const { syscall32 } = vcpu.callbacks;
  if (!isNullSelector(syscall32.cs)) return injectCallback(vcpu, syscall32, syscall32.maskEvents);
  cpu.eip = (cpu.eip - SYSCALL_LENGTH) >>> 0;
  injectException(vcpu, VECTOR_GP, 0);
}

function setUserFlat(vcpu: Vcpu): void {
  const { seg } = vcpu.domain.machine.cpu;
  seg.setRaw(Seg.CS, FLAT_RING3_CS, 0, 0xffff_ffff, seg.attr(Seg.CS));
  seg.setRaw(Seg.SS, FLAT_RING3_SS, 0, 0xffff_ffff, seg.attr(Seg.SS));
}
