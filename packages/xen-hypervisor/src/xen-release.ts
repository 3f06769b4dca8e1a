import {
  __HYPERVISOR_event_channel_op,
  __HYPERVISOR_grant_table_op,
  __HYPERVISOR_kexec_op,
  __HYPERVISOR_sched_op,
  __HYPERVISOR_vcpu_op,
  __HYPERVISOR_xen_version,
  CALLBACKTYPE_event,
  CALLBACKTYPE_failsafe,
  CALLBACKTYPE_nmi,
  CALLBACKTYPE_syscall32,
  CALLBACKTYPE_sysenter,
  EVTCHNOP_unmask,
  GNTTABOP_copy,
  HYPERCALL_SLOTS,
  MACH2PHYS_VIRT_END,
  MMUEXT_SET_LDT,
  MMUEXT_UNMARK_SUPER,
  type PagingMode,
  SCHEDOP_remote_shutdown,
  VCPUOP_register_runstate_memory_area,
  VMASST_TYPE_pae_extended_cr3,
  VMASST_TYPE_runstate_update_flag,
  XEN_EINVAL,
  XEN_ENODEV,
  XEN_ENOSYS,
  XEN_ESRCH,
  XENFEAT_auto_translated_physmap,
  XENFEAT_direct_mapped,
  XENFEAT_gnttab_map_avail_bits,
  XENFEAT_highmem_assist,
  XENFEAT_memory_op_vnode_supported,
  XENFEAT_mmu_pt_update_preserve_ad,
  XENFEAT_runstate_phys_area,
  XENFEAT_vcpu_time_phys_area,
  XENFEAT_writable_page_tables,
  XENMEM_claim_pages,
  XENMEM_get_pod_target,
  XENMEM_memory_map,
  XENMEM_set_memory_map,
  XENMEM_set_pod_target,
  XENMEM_translate_gpfn_list,
  XENVER_guest_handle,
} from '@domu/xen-abi';

/**
 * Where the Xen releases that a guest may find itself on answer differently. A domain has one for life: translated paging
 * went away after Xen 3, so a translated domain sees 3.0.3, a direct one 4.18.
 */
export interface XenRelease {
  readonly major: number;
  readonly minor: number;
  readonly extraversion: string;
  /** XENFEAT_* of submap 0, whatever the domain has enabled. */
  readonly features: readonly number[];
  /** By hypercall number: the highest sub-operation (first argument) there is, -1 when the call is unknown. */
  readonly highestCmd: Float64Array;
  /** XENMEM_* that are unknown. */
  readonly missingMemoryOps: ReadonlySet<number>;
  readonly highestMmuextCmd: number;
  readonly highestVmAssist: number;
  /** CALLBACKTYPE_* that a domain may register, and the errno for others. */
  readonly callbackTypes: ReadonlySet<number>;
  readonly callbackErrno: number;
  /** Whether an unprivileged domain may have an NMI handler. */
  readonly guestNmi: boolean;
  /** log2 of the pages in the largest extent that an unprivileged domain may ask for. */
  readonly maxExtentOrder: number;
  /** Where the window of the machine-to-phys table ends. Source: xen/include/public/arch-x86_32.h */
  readonly m2pWindowEnd: Readonly<Record<PagingMode, number>>;
  /** Frames of the grant table, all there from the start; null: as the domain is configured. */
  readonly grantFrames: number | null;
  /** Errno for a debug register that does not exist. */
  readonly badDebugregErrno: number;
  /** CR4 may only be written with the value that it has; else bits that are not the guest's are ignored. */
  readonly strictCr4: boolean;
  /** Writing a CR3 that is refused changes nothing; else it raises #GP. */
  readonly ignoresBadCr3: boolean;
  /** @returns what a guest sees of an MMU request with this outcome, 0 included */
  mmuErrno(errno: number): number;
  /** @returns what a guest sees of naming frames of another domain in an MMU request */
  foreignErrno(errno: number): number;
}

const ANY = Number.POSITIVE_INFINITY;

function highestCmds(limits: Readonly<Record<number, number>>, lastHypercall: number): Float64Array {
  const table = new Float64Array(HYPERCALL_SLOTS).fill(ANY);
  table.fill(-1, lastHypercall + 1);
  for (const [nr, cmd] of Object.entries(limits)) table[Number(nr)] = cmd;
  return table;
}

export const XEN_4_18: XenRelease = {
  major: 4,
  minor: 18,
  extraversion: '.0-domu',
  features: [
    XENFEAT_mmu_pt_update_preserve_ad,
    XENFEAT_highmem_assist,
    XENFEAT_gnttab_map_avail_bits,
    XENFEAT_memory_op_vnode_supported,
    XENFEAT_direct_mapped,
    XENFEAT_runstate_phys_area,
    XENFEAT_vcpu_time_phys_area,
  ],
  highestCmd: highestCmds({}, HYPERCALL_SLOTS),
  missingMemoryOps: new Set([XENMEM_translate_gpfn_list]),
  highestMmuextCmd: MMUEXT_UNMARK_SUPER,
  highestVmAssist: VMASST_TYPE_runstate_update_flag,
  callbackTypes: new Set([
    CALLBACKTYPE_event,
    CALLBACKTYPE_failsafe,
    CALLBACKTYPE_nmi,
    CALLBACKTYPE_sysenter,
    CALLBACKTYPE_syscall32,
  ]),
  callbackErrno: -XEN_ENOSYS,
  guestNmi: true,
  maxExtentOrder: 9,
  m2pWindowEnd: { pae: 0xffe0_0000, classic: 0xfc40_0000 },
  grantFrames: null,
  badDebugregErrno: -XEN_ENODEV,
  strictCr4: false,
  ignoresBadCr3: false,
  mmuErrno: (errno) => errno,
  foreignErrno: (errno) => errno,
};

/**
 * XENMEM_maximum_gpfn and XENMEM_remove_from_physmap came later, but work: translated domains had them then.
 * Source: Xen 3.0.3: xen/common/kernel.c, memory.c, grant_table.c; xen/arch/x86/mm.c, traps.c
 */
export const XEN_3_0: XenRelease = {
  major: 3,
  minor: 0,
  extraversion: '.3-domu',
  features: [XENFEAT_writable_page_tables, XENFEAT_auto_translated_physmap],
  highestCmd: highestCmds(
    {
      [__HYPERVISOR_xen_version]: XENVER_guest_handle,
      [__HYPERVISOR_vcpu_op]: VCPUOP_register_runstate_memory_area,
      [__HYPERVISOR_grant_table_op]: GNTTABOP_copy,
      [__HYPERVISOR_sched_op]: SCHEDOP_remote_shutdown,
      [__HYPERVISOR_event_channel_op]: EVTCHNOP_unmask,
    },
    __HYPERVISOR_kexec_op,
  ),
  missingMemoryOps: new Set([
    XENMEM_memory_map,
    XENMEM_set_memory_map,
    XENMEM_set_pod_target,
    XENMEM_get_pod_target,
    XENMEM_claim_pages,
  ]),
  highestMmuextCmd: MMUEXT_SET_LDT,
  highestVmAssist: VMASST_TYPE_pae_extended_cr3,
  callbackTypes: new Set([CALLBACKTYPE_event, CALLBACKTYPE_failsafe]),
  callbackErrno: -XEN_EINVAL,
  guestNmi: false,
  maxExtentOrder: 0,
  m2pWindowEnd: MACH2PHYS_VIRT_END,
  grantFrames: 4,
  badDebugregErrno: -XEN_EINVAL,
  strictCr4: true,
  ignoresBadCr3: true,
  mmuErrno: (errno) => (errno === 0 ? 0 : -XEN_EINVAL),
  foreignErrno: () => -XEN_ESRCH,
};
