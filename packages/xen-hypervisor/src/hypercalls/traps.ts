import {
  __HYPERVISOR_set_trap_table,
  CALLBACKF_mask_events,
  CALLBACKOP_register,
  CALLBACKOP_unregister,
  CALLBACKTYPE_event,
  CALLBACKTYPE_failsafe,
  CALLBACKTYPE_nmi,
  CALLBACKTYPE_syscall32,
  CALLBACKTYPE_sysenter,
  CallbackRegister,
  CallbackUnregister,
  FIRST_RESERVED_GDT_ENTRY,
  FLAT_KERNEL_CS,
  TI_IF,
  TrapInfo,
  XEN_EFAULT,
  XEN_EINVAL,
  XEN_ENODEV,
  XEN_ENOSYS,
  XENNMI_register_callback,
  XENNMI_unregister_callback,
} from '@domu/xen-abi';
import type { Caller } from '../caller.ts';
import { gdtFrameCount, setGdt } from '../descriptor-tables.ts';
import { fixupKernelSelector } from '../selectors.ts';
import { setTaskSwitched } from '../traps/control-registers.ts';
import { getDebugreg, setDebugreg } from '../traps/debug-registers.ts';
import { VECTOR_NMI } from '../traps/vectors.ts';
import type { Callback, Vcpu } from '../vcpu.ts';

/** HYPERVISOR_set_trap_table: entries up to one with address 0; vectors that are not named keep what they have. */
export function setTrapTable(caller: Caller, list: number): number {
  const { vcpu, mem } = caller;
  if (list === 0) {
    vcpu.traps.clear();
    return 0;
  }
  const { work } = caller.machine;
  for (let at = list; ; at += TrapInfo.size) {
    if (at !== list && work.exhausted) return work.continueAs(__HYPERVISOR_set_trap_table, at);
    work.charge(1);
    const entry = mem.readView(at, TrapInfo.size);
    if (entry === null) return -XEN_EFAULT;
    const address = TrapInfo.address.get(entry, 0);
    if (address === 0) return 0;
    const cs = fixupKernelSelector(TrapInfo.cs.get(entry, 0));
    vcpu.traps.set(TrapInfo.vector.get(entry, 0), cs, address, TrapInfo.flags.get(entry, 0));
  }
}

/** HYPERVISOR_set_gdt. @returns 0, -EINVAL (see `setGdt`), -EFAULT unreadable list */
export function setGdtCall(caller: Caller, list: number, entries: number): number {
  const { domain, vcpu, mem, machine } = caller;
  if (entries > FIRST_RESERVED_GDT_ENTRY) return -XEN_EINVAL;
  const mfns: number[] = [];
  for (let i = 0; i < gdtFrameCount(entries); i++) {
    const gfn = mem.readU32(list + 4 * i);
    if (gfn < 0) return -XEN_EFAULT;
    mfns.push(domain.paging.toMfn(gfn));
  }
  const rc = setGdt(vcpu, mfns, entries);
  if (rc === 0) machine.flushTlb();
  return rc;
}

/** HYPERVISOR_update_descriptor: one entry of a descriptor table that may be in use. */
export function updateDescriptor(
  caller: Caller,
  maddrLo: number,
  maddrHi: number,
  descLo: number,
  descHi: number,
): number {
  return caller.domain.paging.updateDescriptor(maddrLo, maddrHi, descLo, descHi);
}

/** HYPERVISOR_stack_switch: always 0; a bad value bites at the next entry from user mode. */
export function stackSwitch(caller: Caller, ss: number, esp: number): number {
  caller.vcpu.kernelSs = fixupKernelSelector(ss);
  caller.vcpu.kernelSp = esp;
  return 0;
}

/** HYPERVISOR_fpu_taskswitch: sets or clears the virtual CR0.TS. */
export function fpuTaskswitch(caller: Caller, set: number): number {
  setTaskSwitched(caller.vcpu, set !== 0);
  return 0;
}

/** HYPERVISOR_set_callbacks: events and failsafe. */
export function setCallbacks(
  caller: Caller,
  eventSelector: number,
  eventAddress: number,
  failsafeSelector: number,
  failsafeAddress: number,
): number {
  setCallback(caller.vcpu.callbacks.event, eventSelector, eventAddress);
  setCallback(caller.vcpu.callbacks.failsafe, failsafeSelector, failsafeAddress);
  return 0;
}

/** HYPERVISOR_callback_op. @returns 0; -ENOSYS unknown type, -EINVAL unknown command or one that cannot be undone */
export function callbackOp(caller: Caller, cmd: number, arg: number): number {
  switch (cmd) {
    case CALLBACKOP_register: {
      const view = caller.mem.readView(arg, CallbackRegister.size);
      return view === null ? -XEN_EFAULT : register(caller.vcpu, view);
    }
    case CALLBACKOP_unregister: {
      const view = caller.mem.readView(arg, CallbackUnregister.size);
      return view === null ? -XEN_EFAULT : unregister(caller.vcpu, CallbackUnregister.type.get(view, 0));
    }
    default:
      return -XEN_EINVAL;
  }
}

function register(vcpu: Vcpu, view: DataView): number {
  const type = CallbackRegister.type.get(view, 0);
  const { callbackTypes, callbackErrno } = vcpu.domain.release;
  if (!callbackTypes.has(type)) return callbackErrno;
  const cs = CallbackRegister.address.cs.get(view, 0);
  const eip = CallbackRegister.address.eip.get(view, 0);
  const maskEvents = (CallbackRegister.flags.get(view, 0) & CALLBACKF_mask_events) !== 0;
  const { event, failsafe, sysenter, syscall32 } = vcpu.callbacks;
  switch (type) {
    case CALLBACKTYPE_event:
      return setCallback(event, cs, eip);
    case CALLBACKTYPE_failsafe:
      return setCallback(failsafe, cs, eip);
    case CALLBACKTYPE_sysenter:
      sysenter.maskEvents = maskEvents;
      return setCallback(sysenter, cs, eip);
    case CALLBACKTYPE_syscall32:
      syscall32.maskEvents = maskEvents;
      return setCallback(syscall32, cs, eip);
    case CALLBACKTYPE_nmi:
      return registerNmi(vcpu, eip);
    default:
      return callbackErrno;
  }
}

function unregister(vcpu: Vcpu, type: number): number {
  switch (type) {
    case CALLBACKTYPE_event:
    case CALLBACKTYPE_failsafe:
    case CALLBACKTYPE_sysenter:
    case CALLBACKTYPE_syscall32:
      return -XEN_EINVAL;
    case CALLBACKTYPE_nmi:
      vcpu.traps.set(VECTOR_NMI, 0, 0, 0);
      return 0;
    default:
      return vcpu.domain.release.callbackErrno;
  }
}

function registerNmi(vcpu: Vcpu, address: number): number {
  if (!vcpu.domain.release.guestNmi) return -XEN_EINVAL;
  vcpu.traps.set(VECTOR_NMI, FLAT_KERNEL_CS, address, TI_IF);
  return 0;
}

function setCallback(callback: Callback, cs: number, address: number): number {
  callback.cs = fixupKernelSelector(cs);
  callback.address = address;
  return 0;
}

/** HYPERVISOR_nmi_op. */
export function nmiOp(caller: Caller, cmd: number, arg: number): number {
  switch (cmd) {
    case XENNMI_register_callback: {
      const address = caller.mem.readU32(arg);
      return address < 0 ? -XEN_EFAULT : registerNmi(caller.vcpu, address);
    }
    case XENNMI_unregister_callback:
      return unregister(caller.vcpu, CALLBACKTYPE_nmi);
    default:
      return -XEN_ENOSYS;
  }
}

/** HYPERVISOR_set_debugreg. */
export function setDebugregCall(caller: Caller, reg: number, value: number): number {
  const { vcpu, domain } = caller;
  const rc = setDebugreg(vcpu, reg, value);
  return rc === -XEN_ENODEV ? domain.release.badDebugregErrno : rc;
}

/** HYPERVISOR_get_debugreg: the value, or -ENODEV. */
export function getDebugregCall(caller: Caller, reg: number): number {
  return getDebugreg(caller.vcpu, reg) ?? -XEN_ENODEV;
}
