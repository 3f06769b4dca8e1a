import { Reg } from '@domu/x86-cpu';
import { XEN_ENOSYS } from '@domu/xen-abi';
import { type Caller, HYPERCALL_CONTINUE, HYPERCALL_KEEP_REGISTERS } from '../caller.ts';
import type { Vcpu } from '../vcpu.ts';

/** Runs one hypercall by number, as the gate and multicall do. @returns the handler's result; -ENOSYS for unknown ones */
export function callHypercall(
  caller: Caller,
  nr: number,
  a0: number,
  a1: number,
  a2: number,
  a3: number,
  a4: number,
): number {
  const { counters, hypercalls } = caller.machine;
  const binding = nr < hypercalls.length ? hypercalls[nr] : undefined;
  if (binding === undefined) {
    counters.unknownHypercalls++;
    return -XEN_ENOSYS;
  }
  counters.hypercalls[nr]++;
  return binding.support === 'absent' ? -binding.errno : binding.handler(caller, a0, a1, a2, a3, a4);
}

/**
 * `int $0x82` from the guest kernel: number in EAX, arguments in EBX ECX EDX ESI EDI, result in EAX.
 * @param length bytes of the instruction, to step back when the call is to be entered again
 */
export function dispatchHypercall(vcpu: Vcpu, length: number): void {
  const { cpu } = vcpu.domain.machine;
  const { regs } = cpu;
  const result = callHypercall(
    vcpu.caller,
    regs[Reg.EAX] >>> 0,
    regs[Reg.EBX] >>> 0,
    regs[Reg.ECX] >>> 0,
    regs[Reg.EDX] >>> 0,
    regs[Reg.ESI] >>> 0,
    regs[Reg.EDI] >>> 0,
  );
  if (result === HYPERCALL_KEEP_REGISTERS) return;
  if (result === HYPERCALL_CONTINUE) {
    cpu.eip = (cpu.eip - length) >>> 0;
    return;
  }
  regs[Reg.EAX] = result | 0;
}
