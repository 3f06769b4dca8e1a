import {
  __HYPERVISOR_mmu_update,
  DOMID_SELF,
  MMU_UPDATE_PREEMPTED,
  MmuUpdate,
  UVMF_ALL,
  UVMF_FLUSHTYPE_MASK,
  UVMF_INVLPG,
  UVMF_TLB_FLUSH,
  XEN_EFAULT,
  XEN_EINVAL,
  XEN_EPERM,
  XEN_ESRCH,
} from '@domu/xen-abi';
import type { Caller } from '../caller.ts';

/** Whose frames a request is about: only the caller's own are allowed. @returns 0, -ESRCH no such domain, -EPERM */
export function checkForeignDomid(caller: Caller, domid: number): number {
  const { domain, machine } = caller;
  if (domid === DOMID_SELF || domid === domain.id) return 0;
  return domain.release.foreignErrno(domid === 0 || machine.domains.has(domid) ? -XEN_EPERM : -XEN_ESRCH);
}

/** A list of requests, as hypercall `nr` gets it. */
export interface Batch {
  readonly nr: number;
  readonly list: number;
  readonly count: number;
  readonly pdone: number;
  /** The hypercall's last argument. */
  readonly foreign: number;
}

/**
 * Runs a list of requests until one fails, and tells how many were done. A list that takes too long is continued by a call
 * whose count has bit 31 set; that one adds to the number that `pdone` holds already.
 * @param size bytes of one request; at most those of `machine.scratchRequest`
 * @param step handles one request; returns 0 or -errno. It reads the request before it does anything else
 * Source: xen/arch/x86/mm.c do_mmu_update, do_mmuext_op @ RELEASE-4.18.0
 */
export function runBatch(
  caller: Caller,
  { nr, list, count: countArg, pdone, foreign }: Batch,
  size: number,
  step: (caller: Caller, request: DataView) => number,
): number {
  const { mem, machine } = caller;
  const { work, scratchRequest } = machine;
  const bytes = scratchRequest.bytesOf(size);
  const resumed = (countArg & MMU_UPDATE_PREEMPTED) !== 0;
  const count = (countArg & ~MMU_UPDATE_PREEMPTED) >>> 0;
  if (!mem.accessOk(list, count * size)) return -XEN_EFAULT;
  const doneBefore = resumed && pdone !== 0 ? Math.max(0, mem.readU32(pdone)) : 0;
  let rc = 0;
  let done = 0;
  for (; done < count; done++) {
    const at = (list + done * size) >>> 0;
    if (done > 0 && work.exhausted) {
      rc = work.continueAs(nr, at, ((count - done) | MMU_UPDATE_PREEMPTED) >>> 0, pdone, foreign);
      break;
    }
    work.charge(1);
    rc = mem.readInto(at, bytes) ? step(caller, scratchRequest.view) : -XEN_EFAULT;
    if (rc !== 0) break;
  }
  if (pdone !== 0) mem.writeU32(pdone, doneBefore + done);
  return rc;
}

/**
 * HYPERVISOR_mmu_update: page-table entries and M2P entries, until the first that is refused.
 * @param foreign low 16 bits: whose frames are mapped; high 16 bits: whose tables, plus 1, or 0 for the caller's
 * Source: xen/arch/x86/mm.c do_mmu_update @ RELEASE-4.18.0
 */
export function mmuUpdate(
  caller: Caller,
  list: number,
  count: number,
  pdone: number,
  foreign: number,
): number {
  const owner = foreign >>> 16;
  const rc =
    (owner === 0 ? 0 : checkForeignDomid(caller, owner - 1)) || checkForeignDomid(caller, foreign & 0xffff);
  if (rc !== 0) return rc;
  const batch = { nr: __HYPERVISOR_mmu_update, list, count, pdone, foreign };
  return runBatch(caller, batch, MmuUpdate.size, updateStep);
}

function updateStep({ domain }: Caller, request: DataView): number {
  const { ptr, val } = MmuUpdate;
  return domain.release.mmuErrno(
    domain.paging.mmuUpdate(
      ptr.getLo(request, 0),
      ptr.getHi(request, 0),
      val.getLo(request, 0),
      val.getHi(request, 0),
    ),
  );
}

/**
 * HYPERVISOR_update_va_mapping: the L1 entry that maps `va` (a linear address), then the flush that `flags` asks for. With
 * one physical CPU a flush of any set of vCPUs that holds the caller is a local one; other vCPUs start with an empty TLB.
 */
export function updateVaMapping(caller: Caller, va: number, lo: number, hi: number, flags: number): number {
  const { domain, vcpu } = caller;
  const rc = domain.paging.updateVaMapping(vcpu.rootMfn, va, lo, hi);
  const flush = flushFor(caller, va, flags);
  return rc !== 0 ? domain.release.mmuErrno(rc) : flush;
}

/** update_va_mapping_otherdomain is for privileged domains; on itself it is update_va_mapping. */
export function updateVaMappingOtherdomain(
  caller: Caller,
  va: number,
  lo: number,
  hi: number,
  flags: number,
  domid: number,
): number {
  const rc = checkForeignDomid(caller, domid & 0xffff);
  return rc !== 0 ? rc : updateVaMapping(caller, va, lo, hi, flags);
}

function flushFor(caller: Caller, va: number, flags: number): number {
  const type = flags & UVMF_FLUSHTYPE_MASK;
  if (type !== UVMF_TLB_FLUSH && type !== UVMF_INVLPG) return 0;
  const mask = (flags & ~UVMF_FLUSHTYPE_MASK) >>> 0;
  if (mask !== 0 && mask !== UVMF_ALL && caller.mem.readU32(mask & ~7) < 0) return -XEN_EINVAL;
  if (type === UVMF_TLB_FLUSH) caller.machine.flushTlb();
  else caller.machine.cpu.invlpg(va);
  return 0;
}
