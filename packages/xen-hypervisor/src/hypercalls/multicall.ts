import {
  __HYPERVISOR_iret,
  __HYPERVISOR_multicall,
  MulticallEntry,
  XEN_EFAULT,
  XEN_EINVAL,
} from '@domu/xen-abi';
import { type Caller, HYPERCALL_CONTINUE, HYPERCALL_KEEP_REGISTERS } from '../caller.ts';
import { callHypercall } from './dispatch.ts';

/**
 * HYPERVISOR_multicall: a list of hypercalls. A failing one does not stop the list; `iret` ends it, because the guest's
 * registers are no longer the caller's (xsa-213); a list within a list is refused. When the work of one call is used up, the
 * rest of the list, and of the entry under way, is left to a call of its own.
 * Source: xen/common/multicall.c @ RELEASE-4.18.0
 */
export function multicall(caller: Caller, list: number, nrCalls: number): number {
  const { mem, domain, machine } = caller;
  const { work } = machine;
  if (!mem.accessOk(list, nrCalls * MulticallEntry.size)) return -XEN_EFAULT;
  for (let i = 0; i < nrCalls; i++) {
    const at = (list + i * MulticallEntry.size) >>> 0;
    const rest = (): number => work.continueAs(__HYPERVISOR_multicall, at, nrCalls - i);
    if (i > 0 && work.exhausted) return rest();
    work.charge(1);
    const entry = mem.readView(at, MulticallEntry.size);
    if (entry === null) return -XEN_EFAULT;
    const op = MulticallEntry.op.get(entry, 0);
    const arg = (n: number): number => MulticallEntry.args.get(entry, 0, n);
    const result =
      op === __HYPERVISOR_multicall
        ? -XEN_EINVAL
        : callHypercall(caller, op, arg(0), arg(1), arg(2), arg(3), arg(4));
    if (op === __HYPERVISOR_iret || !domain.schedulable) return HYPERCALL_KEEP_REGISTERS;
    if (result === HYPERCALL_CONTINUE) {
      for (const [n, value] of work.args.entries()) MulticallEntry.args.set(entry, 0, n, value);
      return mem.writeView(at, entry) ? rest() : -XEN_EFAULT;
    }
    if (!mem.writeU32(at + MulticallEntry.result.offset, result)) return -XEN_EFAULT;
  }
  return 0;
}
