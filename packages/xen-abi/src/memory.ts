/** Memory reservations and maps. Source: xen/include/public/memory.h @ RELEASE-4.18.0 */
import { nested, ptr, struct, u16, u32, u64, ulong } from './struct.ts';

export const XENMEM_increase_reservation = 0;
export const XENMEM_decrease_reservation = 1;
export const XENMEM_maximum_ram_page = 2;
export const XENMEM_current_reservation = 3;
export const XENMEM_maximum_reservation = 4;
export const XENMEM_machphys_mfn_list = 5;
export const XENMEM_populate_physmap = 6;
export const XENMEM_add_to_physmap = 7;
/** Withdrawn after Xen 3; later headers keep the number free. */
export const XENMEM_translate_gpfn_list = 8;
export const XENMEM_memory_map = 9;
export const XENMEM_machine_memory_map = 10;
export const XENMEM_exchange = 11;
export const XENMEM_machphys_mapping = 12;
export const XENMEM_set_memory_map = 13;
export const XENMEM_maximum_gpfn = 14;
export const XENMEM_remove_from_physmap = 15;
export const XENMEM_set_pod_target = 16;
export const XENMEM_get_pod_target = 17;
export const XENMEM_get_sharing_freed_pages = 18;
export const XENMEM_get_sharing_shared_pages = 19;
export const XENMEM_paging_op = 20;
export const XENMEM_access_op = 21;
export const XENMEM_sharing_op = 22;
export const XENMEM_add_to_physmap_batch = 23;
export const XENMEM_claim_pages = 24;
export const XENMEM_machphys_compat_mfn_list = 25;
export const XENMEM_get_vnumainfo = 26;
export const XENMEM_reserved_device_memory_map = 27;
export const XENMEM_acquire_resource = 28;
/** Sub-operations of memory_op, by name. */
export const XENMEM = {
  XENMEM_increase_reservation,
  XENMEM_decrease_reservation,
  XENMEM_maximum_ram_page,
  XENMEM_current_reservation,
  XENMEM_maximum_reservation,
  XENMEM_machphys_mfn_list,
  XENMEM_populate_physmap,
  XENMEM_add_to_physmap,
  XENMEM_translate_gpfn_list,
  XENMEM_memory_map,
  XENMEM_machine_memory_map,
  XENMEM_exchange,
  XENMEM_machphys_mapping,
  XENMEM_set_memory_map,
  XENMEM_maximum_gpfn,
  XENMEM_remove_from_physmap,
  XENMEM_set_pod_target,
  XENMEM_get_pod_target,
  XENMEM_get_sharing_freed_pages,
  XENMEM_get_sharing_shared_pages,
  XENMEM_paging_op,
  XENMEM_access_op,
  XENMEM_sharing_op,
  XENMEM_add_to_physmap_batch,
  XENMEM_claim_pages,
  XENMEM_machphys_compat_mfn_list,
  XENMEM_get_vnumainfo,
  XENMEM_reserved_device_memory_map,
  XENMEM_acquire_resource,
} as const;

/** memory_op: the low bits of cmd that are the sub-operation; the rest is a continuation's start extent. */
export const MEMOP_CMD_MASK = 0x3f;

/** xen_add_to_physmap.space values. */
export const XENMAPSPACE_shared_info = 0;
export const XENMAPSPACE_grant_table = 1;
export const XENMAPSPACE_gmfn = 2;
export const XENMAPSPACE_gmfn_range = 3;
export const XENMAPSPACE_gmfn_foreign = 4;
/** Flag in idx: status frames instead of grant frames. */
export const XENMAPIDX_grant_table_status = 0x8000_0000;

/** Types of an E820 entry. Source: ACPI specification, "Address Range Types" */
export const E820_RAM = 1;
export const E820_RESERVED = 2;
export const E820_ACPI = 3;
export const E820_NVS = 4;
export const E820_UNUSABLE = 5;

/** struct xen_memory_reservation. */
export const XenMemoryReservation = struct('xen_memory_reservation', {
  extent_start: ptr, // xen_pfn_t[nr_extents]         IN,OUT
  nr_extents: ulong, // IN
  extent_order: u32, // log2 of the pages per extent   IN
  mem_flags: u32, // XENMEMF_*                          IN
  domid: u16, // IN
});

/** struct xen_memory_exchange. */
export const XenMemoryExchange = struct('xen_memory_exchange', {
  in: nested(XenMemoryReservation),
  out: nested(XenMemoryReservation),
  nr_exchanged: ulong, // input extents completed; must be 0 on entry IN,OUT
});

/** struct xen_machphys_mfn_list. */
export const XenMachphysMfnList = struct('xen_machphys_mfn_list', {
  max_extents: u32, // room in extent_start          IN
  extent_start: ptr, // xen_pfn_t[max_extents]
  nr_extents: u32, // written                          OUT
});

/** struct xen_machphys_mapping. */
export const XenMachphysMapping = struct('xen_machphys_mapping', {
  v_start: ulong, // OUT
  v_end: ulong, // OUT
  max_mfn: ulong, // OUT
});

/** struct xen_add_to_physmap. */
export const XenAddToPhysmap = struct('xen_add_to_physmap', {
  domid: u16,
  size: u16, // pages, for gmfn_range
  space: u32, // XENMAPSPACE_*
  idx: ulong, // index in the source space
  gpfn: ulong, // where to put it
});

/** struct xen_translate_gpfn_list. Source: xen/include/public/memory.h @ 3.0.3 */
export const XenTranslateGpfnList = struct('xen_translate_gpfn_list', {
  domid: u16, // IN
  nr_gpfns: ulong, // IN
  gpfn_list: ptr, // xen_pfn_t[nr_gpfns] IN
  mfn_list: ptr, // xen_pfn_t[nr_gpfns] OUT; may be gpfn_list
});

/** struct xen_remove_from_physmap. */
export const XenRemoveFromPhysmap = struct('xen_remove_from_physmap', { domid: u16, gpfn: ulong });

/** struct xen_memory_map. */
export const XenMemoryMap = struct('xen_memory_map', {
  nr_entries: u32, // room, then entries stored IN,OUT
  buffer: ptr, // e820entry[nr_entries]
});

/** struct xen_foreign_memory_map. */
export const XenForeignMemoryMap = struct('xen_foreign_memory_map', {
  domid: u16,
  map: nested(XenMemoryMap),
});

/** struct e820entry, packed (20 bytes; the i386 rules give the same). Source: ACPI specification, INT 15h E820h */
export const E820Entry = struct('e820entry', { addr: u64, size: u64, type: u32 });
