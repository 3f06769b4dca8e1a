import {
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
  if (domid === DOMID_SELF || domid === caller.domain.id) return 0;
  return domid === 0 || caller.machine.domains.has(domid) ? -XEN_EPERM : -XEN_ESRCH;
}

/**
 * Runs a list of requests until one fails, and tells how many were done.
 * @param step handles request `i` of `count`; returns 0 or -errno
 */
export function runBatch(
  caller: Caller,
  batch: { readonly list: number; readonly count: number; readonly size: number; readonly pdone: number },
  step: (request: DataView) => number,
): number {
  const { mem } = caller;
  const count = (batch.count & ~MMU_UPDATE_PREEMPTED) >>> 0;
  if (!mem.accessOk(batch.list, count * batch.size)) return -XEN_EFAULT;
  let rc = 0;
  let done = 0;
  for (; done < count && rc === 0; done++) {
    const request = mem.readView((batch.list + done * batch.size) >>> 0, batch.size);
    rc = request === null ? -XEN_EFAULT : step(request);
    if (rc !== 0) break;
  }
  if (batch.pdone !== 0) mem.writeU32(batch.pdone, done);
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
  const { paging } = caller.domain;
  return runBatch(caller, { list, count, size: MmuUpdate.size, pdone }, (request) =>
    paging.mmuUpdate(
      MmuUpdate.ptr.getLo(request, 0),
      MmuUpdate.ptr.getHi(request, 0),
      MmuUpdate.val.getLo(request, 0),
      MmuUpdate.val.getHi(request, 0),
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
  return rc !== 0 ? rc : flush;
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
