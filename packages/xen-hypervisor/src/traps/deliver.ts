import { Seg } from '@domu/x86-cpu';
import type { Vcpu } from '../vcpu.ts';
import { enterGuestKernel } from './bounce.ts';
import type { SegmentFault } from './load-segments.ts';
import { PFEC_user_mode, pushesErrorCode, VECTOR_NMI, VECTOR_PF } from './vectors.ts';

/** A guest whose handlers keep faulting on entry is beyond help; hardware would have reached a triple fault. */
const MAX_NESTED_FAULTS = 8;
/** struct arch_vcpu_info.cr2 within struct vcpu_info. */
const VCPU_INFO_CR2 = 8;

/**
 * Injects an exception into the current vCPU's guest kernel.
 * @param errorCode pushed for the vectors that have one, otherwise ignored
 * @param cr2 faulting address, for #PF
 */
export function injectException(vcpu: Vcpu, vector: number, errorCode: number, cr2: number = 0): void {
  const { machine } = vcpu.domain;
  let code = pushesErrorCode(vector) ? errorCode & 0xffff : -1;
  if (vector === VECTOR_PF) {
    setCr2(vcpu, cr2);
    const fromUser = machine.cpu.cpl === 3;
    code = fromUser ? code | PFEC_user_mode : code & ~PFEC_user_mode;
  }
  aimAtTrap(vcpu, vector, code);
  enter(vcpu);
}

/** Delivers `int n` through the guest's gate; EIP is already behind the instruction. */
export function injectSoftInterrupt(vcpu: Vcpu, vector: number): void {
  aimAtTrap(vcpu, vector, -1);
  enter(vcpu);
}

/** Enters a callback of the guest kernel (events, sysenter, syscall): a frame without an error code. */
export function injectCallback(
  vcpu: Vcpu,
  callback: { readonly cs: number; readonly address: number },
  masksEvents: boolean,
): void {
  const { bounce } = vcpu.domain.machine.bounceScratch;
  bounce.cs = callback.cs;
  bounce.eip = callback.address;
  bounce.errorCode = -1;
  bounce.masksEvents = masksEvents;
  enter(vcpu);
}

/** What the guest reads as CR2, in both places. */
export function setCr2(vcpu: Vcpu, cr2: number): void {
  const { machine } = vcpu.domain;
  machine.cpu.cr2 = cr2;
  machine.memory.view.setUint32(vcpu.infoMaddr + VCPU_INFO_CR2, cr2 >>> 0, true);
}

/**
 * What must happen before a guest goes on: a pending NMI, then an upcall. Called on every return to the guest.
 * Source: xen/arch/x86/x86_64/compat/entry.S compat_test_all_events @ RELEASE-4.18.0
 */
export function deliverPendingEvents(vcpu: Vcpu): void {
  if (vcpu.nmiPending && !vcpu.nmiMasked) {
    vcpu.nmiPending = false;
    if (vcpu.traps.cs[VECTOR_NMI] > 3 && vcpu.traps.address[VECTOR_NMI] !== 0) {
      vcpu.nmiMasked = true;
      injectSoftInterrupt(vcpu, VECTOR_NMI);
    }
  }
  if (!vcpu.eventDeliverable || !vcpu.runnable) return;
  const { machine } = vcpu.domain;
  machine.counters.upcalls++;
  machine.observer?.upcall(vcpu);
  injectCallback(vcpu, vcpu.callbacks.event, true);
}

/** Fills the machine's bounce for an entry through the guest's trap table. */
function aimAtTrap({ domain, traps }: Vcpu, vector: number, errorCode: number): void {
  const { bounce } = domain.machine.bounceScratch;
  bounce.cs = traps.cs[vector];
  bounce.eip = traps.address[vector];
  bounce.errorCode = errorCode;
  bounce.masksEvents = traps.masksEvents(vector);
}

/** Enters the guest kernel as the machine's bounce says; a fault on the way is delivered instead. */
function enter(vcpu: Vcpu): void {
  const { machine } = vcpu.domain;
  const { cpu, bounceScratch } = machine;
  const cs = cpu.seg.selector(Seg.CS);
  const { eip } = cpu;
  for (let depth = 0; depth < MAX_NESTED_FAULTS; depth++) {
    const problem = enterGuestKernel(vcpu, bounceScratch.bounce);
    if (problem === null) return;
    if ('crash' in problem) {
      const from = `${cs.toString(16)}:${eip.toString(16)}`;
      machine.crashDomain(vcpu.domain, `${problem.crash}, entering the guest kernel from ${from}`);
      return;
    }
    aimAtFault(vcpu, problem);
  }
  machine.crashDomain(vcpu.domain, 'the handlers of the guest kernel cannot be entered');
}

function aimAtFault(vcpu: Vcpu, fault: SegmentFault): void {
  if (fault.vector === VECTOR_PF) setCr2(vcpu, fault.cr2);
  aimAtTrap(vcpu, fault.vector, fault.errorCode);
}
