import {
  E820_RAM,
  E820Entry,
  MEMOP_CMD_MASK,
  SharedInfo,
  XEN_EFAULT,
  XEN_EINVAL,
  XEN_ENOSYS,
  XEN_EPERM,
  XENMEM_add_to_physmap,
  XENMEM_claim_pages,
  XENMEM_current_reservation,
  XENMEM_decrease_reservation,
  XENMEM_exchange,
  XENMEM_get_pod_target,
  XENMEM_increase_reservation,
  XENMEM_machine_memory_map,
  XENMEM_machphys_compat_mfn_list,
  XENMEM_machphys_mapping,
  XENMEM_machphys_mfn_list,
  XENMEM_maximum_gpfn,
  XENMEM_maximum_ram_page,
  XENMEM_maximum_reservation,
  XENMEM_memory_map,
  XENMEM_populate_physmap,
  XENMEM_remove_from_physmap,
  XENMEM_set_memory_map,
  XENMEM_set_pod_target,
  XENMEM_translate_gpfn_list,
  XenMachphysMapping,
  XenMachphysMfnList,
  XenMemoryMap,
} from '@domu/xen-abi';
import type { Caller } from '../caller.ts';
import type { Domain } from '../domain.ts';
import { exchange } from './memory-exchange.ts';
import { adjustReservation, MEMOP_EXTENT_SHIFT } from './memory-reservation.ts';
import { addToPhysmap, checkSelf, removeFromPhysmap, translateGpfnList } from './physmap-op.ts';

const FRAMES_PER_M2P_EXTENT = 512;

/**
 * HYPERVISOR_memory_op. The reservation commands return how many extents they did, whatever
 * stopped them; the others 0 or a value, or -errno.
 * Source: xen/common/memory.c, "do_memory_op"; xen/arch/x86/mm.c, "arch_memory_op" @ RELEASE-4.18.0
 */
export function memoryOp(caller: Caller, cmd: number, arg: number): number {
  const op = cmd & MEMOP_CMD_MASK;
  const startExtent = cmd >>> MEMOP_EXTENT_SHIFT;
  if (caller.domain.release.missingMemoryOps.has(op)) return -XEN_ENOSYS;
  switch (op) {
    case XENMEM_increase_reservation:
    case XENMEM_decrease_reservation:
    case XENMEM_populate_physmap:
      return adjustReservation(caller, { op, startExtent }, arg);
    case XENMEM_translate_gpfn_list:
      return translateGpfnList(caller, startExtent, arg);
    default:
      return startExtent === 0 ? otherOp(caller, op, arg) : -XEN_EINVAL;
  }
}

function otherOp(caller: Caller, op: number, arg: number): number {
  const { machine } = caller;
  switch (op) {
    case XENMEM_maximum_ram_page:
      return machine.frames.nrFrames;
    case XENMEM_current_reservation:
      return ofDomain(caller, arg, (domain) => domain.totPages);
    case XENMEM_maximum_reservation:
      return ofDomain(caller, arg, (domain) => domain.maxPages);
    case XENMEM_maximum_gpfn:
      return ofDomain(caller, arg, maximumGpfn);
    case XENMEM_machphys_mfn_list:
    case XENMEM_machphys_compat_mfn_list:
      return machphysMfnList(caller, arg);
    case XENMEM_machphys_mapping:
      return machphysMapping(caller, arg);
    case XENMEM_memory_map:
      return memoryMap(caller, arg);
    case XENMEM_exchange:
      return exchange(caller, arg);
    case XENMEM_add_to_physmap:
      return addToPhysmap(caller, arg);
    case XENMEM_remove_from_physmap:
      return removeFromPhysmap(caller, arg);
    case XENMEM_machine_memory_map:
    case XENMEM_set_memory_map:
    case XENMEM_set_pod_target:
    case XENMEM_get_pod_target:
    case XENMEM_claim_pages:
      return -XEN_EPERM;
    default:
      return -XEN_ENOSYS;
  }
}

function ofDomain(caller: Caller, arg: number, ask: (domain: Domain) => number): number {
  const domid = caller.mem.readU16(arg);
  if (domid < 0) return -XEN_EFAULT;
  return checkSelf(caller, domid) || ask(caller.domain);
}

/** A translated domain's is known; a direct one tells it to Xen. */
function maximumGpfn({ machine, paging, sharedInfo }: Domain): number {
  const highest = paging.highestGfn();
  return highest >= 0
    ? highest
    : Math.max(1, SharedInfo.arch.max_pfn.get(machine.memory.view, sharedInfo * 4096)) - 1;
}

/** One frame number per 2 MiB of the machine-to-phys table. */
function machphysMfnList({ machine, mem }: Caller, arg: number): number {
  const view = mem.readView(arg, XenMachphysMfnList.size);
  if (view === null) return -XEN_EFAULT;
  const { firstMfn, nrFrames } = machine.m2p;
  const extents = Math.ceil(nrFrames / FRAMES_PER_M2P_EXTENT);
  const count = Math.min(extents, XenMachphysMfnList.max_extents.get(view, 0));
  const list = XenMachphysMfnList.extent_start.get(view, 0);
  for (let i = 0; i < count; i++) {
    if (!mem.writeU32(list + 4 * i, firstMfn + i * FRAMES_PER_M2P_EXTENT)) return -XEN_EFAULT;
  }
  return mem.writeU32(arg + XenMachphysMfnList.nr_extents.offset, count) ? 0 : -XEN_EFAULT;
}

function machphysMapping({ domain, mem }: Caller, arg: number): number {
  const view = new DataView(new ArrayBuffer(XenMachphysMapping.size));
  const start = domain.hypervisorVirtStart;
  const end = domain.release.m2pWindowEnd[domain.mode];
  XenMachphysMapping.v_start.set(view, 0, start);
  XenMachphysMapping.v_end.set(view, 0, end);
  XenMachphysMapping.max_mfn.set(view, 0, (end - start) / 4 - 1);
  return mem.writeView(arg, view) ? 0 : -XEN_EFAULT;
}

/** The e820 map that the toolstack gave the domain: one entry of RAM, or none at all (-ENOSYS). */
function memoryMap({ domain, mem }: Caller, arg: number): number {
  const ramBytes = domain.options.memoryMapBytes;
  if (ramBytes === undefined) return -XEN_ENOSYS;
  const view = mem.readView(arg, XenMemoryMap.size);
  if (view === null) return -XEN_EFAULT;
  const nrEntries = Math.min(1, XenMemoryMap.nr_entries.get(view, 0));
  if (nrEntries > 0) {
    const entry = new DataView(new ArrayBuffer(E820Entry.size));
    E820Entry.fields.size.setNumber(entry, 0, ramBytes);
    E820Entry.type.set(entry, 0, E820_RAM);
    if (!mem.writeView(XenMemoryMap.buffer.get(view, 0), entry)) return -XEN_EFAULT;
  }
  return mem.writeU32(arg + XenMemoryMap.nr_entries.offset, nrEntries) ? 0 : -XEN_EFAULT;
}
