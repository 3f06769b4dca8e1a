import {
  __HYPERVISOR_memory_op,
  DOMID_SELF,
  XEN_EFAULT,
  XEN_EPERM,
  XEN_ESRCH,
  XENMAPSPACE_grant_table,
  XENMAPSPACE_shared_info,
  XENMEM_translate_gpfn_list,
  XenAddToPhysmap,
  XenRemoveFromPhysmap,
  XenTranslateGpfnList,
} from '@domu/xen-abi';
import type { Caller } from '../caller.ts';
import type { Domain } from '../domain.ts';
import { MEMOP_EXTENT_SHIFT } from './memory-reservation.ts';

/** @returns 0 when `domid` names the caller; -ESRCH no such domain, -EPERM another one */
export function checkSelf({ machine, domain }: Caller, domid: number): number {
  if (domid === DOMID_SELF || domid === domain.id) return 0;
  return machine.channelsOf(domid) === undefined ? -XEN_ESRCH : -XEN_EPERM;
}

/** XENMEM_add_to_physmap: shared_info or a frame of the grant table. @returns 0 or -errno, as `Paging.addXenFrame` */
export function addToPhysmap(caller: Caller, arg: number): number {
  const view = caller.mem.readView(arg, XenAddToPhysmap.size);
  if (view === null) return -XEN_EFAULT;
  const { domain } = caller;
  const frame = frameOfSpace(domain, XenAddToPhysmap.space.get(view, 0), XenAddToPhysmap.idx.get(view, 0));
  return (
    checkSelf(caller, XenAddToPhysmap.domid.get(view, 0)) ||
    domain.paging.addXenFrame(XenAddToPhysmap.gpfn.get(view, 0), frame)
  );
}

function frameOfSpace({ sharedInfo, grants }: Domain, space: number, index: number): number {
  if (space === XENMAPSPACE_grant_table) return grants.sharedFrame(index);
  return space === XENMAPSPACE_shared_info && index === 0 ? sharedInfo : -1;
}

/** XENMEM_remove_from_physmap. @returns 0 or -errno, as `Paging.removeGfn` */
export function removeFromPhysmap(caller: Caller, arg: number): number {
  const view = caller.mem.readView(arg, XenRemoveFromPhysmap.size);
  if (view === null) return -XEN_EFAULT;
  return (
    checkSelf(caller, XenRemoveFromPhysmap.domid.get(view, 0)) ||
    caller.domain.paging.removeGfn(XenRemoveFromPhysmap.gpfn.get(view, 0))
  );
}

/**
 * XENMEM_translate_gpfn_list: the machine frames behind gfns, ~0 where there is none.
 * @param start gfns that are done already
 * Source: xen/common/memory.c, "translate_gpfn_list" @ 3.0.3
 */
export function translateGpfnList(caller: Caller, start: number, arg: number): number {
  const { machine, domain, mem } = caller;
  const view = mem.readView(arg, XenTranslateGpfnList.size);
  if (view === null) return -XEN_EFAULT;
  const count = XenTranslateGpfnList.nr_gpfns.get(view, 0);
  const gfns = XenTranslateGpfnList.gpfn_list.get(view, 0);
  const mfns = XenTranslateGpfnList.mfn_list.get(view, 0);
  if (!mem.accessOk(gfns, 4 * count) || !mem.accessOk(mfns, 4 * count)) return -XEN_EFAULT;
  const rc = checkSelf(caller, XenTranslateGpfnList.domid.get(view, 0));
  if (rc !== 0) return rc;
  for (let i = start; i < count; i++) {
    if (i > start && machine.work.exhausted) {
      const cmd = (XENMEM_translate_gpfn_list | (i << MEMOP_EXTENT_SHIFT)) >>> 0;
      return machine.work.continueAs(__HYPERVISOR_memory_op, cmd, arg);
    }
    machine.work.charge(1);
    const gfn = mem.readU32(gfns + 4 * i);
    if (gfn < 0 || !mem.writeU32(mfns + 4 * i, domain.paging.toMfn(gfn))) return -XEN_EFAULT;
  }
  return 0;
}
