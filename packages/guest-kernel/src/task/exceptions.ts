/** What processor exceptions mean to a program. Source: linux arch/x86/kernel/traps.c. */
import {
  BUS_ADRALN,
  BUS_ADRERR,
  FPE_FLTINV,
  FPE_INTDIV,
  ILL_ILLOPN,
  SEGV_ACCERR,
  SEGV_MAPERR,
  SI_KERNEL,
  SIGBUS,
  SIGFPE,
  SIGILL,
  SIGKILL,
  SIGSEGV,
  SIGTRAP,
  type SignalInfo,
  TRAP_TRACE,
} from '../abi/signals.ts';
import { FAULT_ACCERR, FAULT_BUS, FAULT_OOM } from '../mm/address-space.ts';
import type { Task } from './task.ts';
import { EIP } from './user-registers.ts';

export const VECTOR_NM = 7;
export const VECTOR_PF = 14;

/** The signal of an exception other than #PF. */
export function trapSignal(vector: number, task: Task): SignalInfo {
  const address = task.regs[EIP];
  switch (vector) {
    case 0:
      return { signal: SIGFPE, code: FPE_INTDIV, address };
    case 1:
      return { signal: SIGTRAP, code: TRAP_TRACE, address };
    case 3:
      return { signal: SIGTRAP, code: SI_KERNEL };
    case 6:
      return { signal: SIGILL, code: ILL_ILLOPN, address };
    case VECTOR_NM:
      return { signal: SIGKILL, code: SI_KERNEL };
    case 11:
    case 12:
      return { signal: SIGBUS, code: SI_KERNEL };
    case 16:
    case 19:
      return { signal: SIGFPE, code: FPE_FLTINV, address };
    case 17:
      return { signal: SIGBUS, code: BUS_ADRALN, address };
    default:
      return { signal: SIGSEGV, code: SI_KERNEL };
  }
}

/** The signal of a page that could not be brought in. */
export function faultSignal(result: number, address: number): SignalInfo {
  if (result === FAULT_OOM) return { signal: SIGKILL, code: SI_KERNEL };
  if (result === FAULT_BUS) return { signal: SIGBUS, code: BUS_ADRERR, address };
  return { signal: SIGSEGV, code: result === FAULT_ACCERR ? SEGV_ACCERR : SEGV_MAPERR, address };
}
