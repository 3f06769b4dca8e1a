import { Reg } from '@domu/x86-cpu';
import { XEN_ENOSYS } from '@domu/xen-abi';
import { type Caller, HYPERCALL_CONTINUE, HYPERCALL_KEEP_REGISTERS } from '../caller.ts';
import type { Vcpu } from '../vcpu.ts';

const ARGUMENT_REGISTERS: readonly number[] = [Reg.EBX, Reg.ECX, Reg.EDX, Reg.ESI, Reg.EDI];

/** Runs one hypercall by number, as the gate and multicall do. @returns the handler's result; -ENOSYS for unknown ones and sub-operations */
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
  if (binding === undefined || a0 > caller.domain.release.highestCmd[nr]) {
    counters.unknownHypercalls++;
    return -XEN_ENOSYS;
  }
  counters.hypercalls[nr]++;
  caller.vcpu.hypercalls++;
  if (binding.support === 'absent') return -binding.errno;
  const { observer } = caller.machine;
  if (observer === null) return binding.handler(caller, a0, a1, a2, a3, a4);
  observer.hypercallBegins(caller.vcpu, nr, a0);
  const result = binding.handler(caller, a0, a1, a2, a3, a4);
  observer.hypercallEnds(caller.vcpu, nr, result);
  return result;
}

/**
 * Makes a hypercall for a guest that is not at an `int $0x82`, and goes on until all of it is done.
 * @returns as `callHypercall`, never HYPERCALL_CONTINUE
 */
export function completeHypercall(caller: Caller, nr: number, args: readonly number[]): number {
  const { work } = caller.machine;
  const now = [0, 1, 2, 3, 4].map((i) => (args[i] ?? 0) >>> 0);
  for (;;) {
    work.begin();
    const result = callHypercall(caller, nr, now[0], now[1], now[2], now[3], now[4]);
    if (result !== HYPERCALL_CONTINUE) return result;
    for (const [i, arg] of work.args.entries()) now[i] = arg >>> 0;
  }
}

/**
 * `int $0x82` from the guest kernel: number in EAX, arguments in EBX ECX EDX ESI EDI, result in EAX.
 * @param length bytes of the instruction, to step back when the call is to be entered again
 */
export function dispatchHypercall(vcpu: Vcpu, length: number): void {
  const { cpu, work } = vcpu.domain.machine;
  const { regs } = cpu;
  work.begin();
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
    regs[Reg.EAX] = work.nr;
    for (const [i, arg] of work.args.entries()) regs[ARGUMENT_REGISTERS[i]] = arg | 0;
    return;
  }
  regs[Reg.EAX] = result | 0;
}
