import {
  type HypercallName,
  XEN_EACCES,
  XEN_EINVAL,
  XEN_ENODATA,
  XEN_ENOSYS,
  XEN_EOPNOTSUPP,
  XEN_EPERM,
} from '@domu/xen-abi';

/** A sub-operation that is not served as the row of its hypercall says. */
export type SubOp =
  | { readonly support: 'partial'; readonly note: string }
  /** Every call gives `-errno`, as Xen answers an ordinary domain. */
  | { readonly support: 'absent'; readonly errno: number; readonly note: string };

const partial = (note: string): SubOp => ({ support: 'partial', note });
const absent = (errno: number, note: string): SubOp => ({ support: 'absent', errno, note });

const CONTROL = 'for the control domain';
const HARDWARE = 'for the hardware domain';
const NO_PIRQ = 'no physical interrupts';
const HVM = 'for HVM guests, or their control domain';

const unknown = (names: readonly string[], note: string): Record<string, SubOp> =>
  Object.fromEntries(names.map((name) => [name, absent(XEN_ENOSYS, note)]));

/**
 * The sub-operations that differ from their hypercall's row in HYPERCALL_TABLE, by the names of xen-abi. What is not listed
 * is served as the row says. docs/SUPPORT.md is made from both; a test makes each call that is said to be absent.
 */
export const SUB_OPS: Readonly<Partial<Record<HypercallName, Readonly<Record<string, SubOp>>>>> = {
  sched_op_compat: unknown(
    [
      'SCHEDOP_poll',
      'SCHEDOP_remote_shutdown',
      'SCHEDOP_shutdown_code',
      'SCHEDOP_watchdog',
      'SCHEDOP_pin_override',
    ],
    'only the first three are old enough',
  ),
  sched_op: {
    SCHEDOP_remote_shutdown: absent(XEN_EPERM, CONTROL),
    SCHEDOP_pin_override: absent(XEN_EPERM, HARDWARE),
  },
  memory_op: {
    XENMEM_translate_gpfn_list: partial('Xen 3.0.3 only'),
    XENMEM_memory_map: partial('-XEN_ENOSYS when the domain was given no map'),
    XENMEM_add_to_physmap: partial('translated domains only'),
    XENMEM_remove_from_physmap: partial('translated domains only'),
    XENMEM_machine_memory_map: absent(XEN_EPERM, HARDWARE),
    XENMEM_set_memory_map: absent(XEN_EPERM, CONTROL),
    XENMEM_set_pod_target: absent(XEN_EPERM, CONTROL),
    XENMEM_get_pod_target: absent(XEN_EPERM, CONTROL),
    XENMEM_claim_pages: absent(XEN_EPERM, CONTROL),
    ...unknown(
      ['XENMEM_get_sharing_freed_pages', 'XENMEM_get_sharing_shared_pages', 'XENMEM_sharing_op'],
      'no memory sharing',
    ),
    ...unknown(['XENMEM_paging_op', 'XENMEM_access_op', 'XENMEM_add_to_physmap_batch'], HVM),
    ...unknown(['XENMEM_get_vnumainfo'], 'no virtual NUMA'),
    ...unknown(['XENMEM_reserved_device_memory_map', 'XENMEM_acquire_resource'], CONTROL),
  },
  xen_version: { XENVER_build_id: absent(XEN_ENODATA, 'there is none') },
  console_io: { CONSOLEIO_read: partial('never anything to read') },
  grant_table_op: {
    GNTTABOP_dump_table: absent(XEN_ENOSYS, 'for debugging Xen'),
  },
  vcpu_op: { VCPUOP_get_physid: absent(XEN_EINVAL, 'for pinned vCPUs of the hardware domain') },
  mmuext_op: {
    MMUEXT_PIN_L4_TABLE: partial('accepted and ignored: a 32-bit guest has no L4'),
    MMUEXT_FLUSH_CACHE: absent(XEN_EACCES, 'for domains with devices'),
    MMUEXT_FLUSH_CACHE_GLOBAL: absent(XEN_EINVAL, 'for domains with devices'),
    MMUEXT_NEW_USER_BASEPTR: absent(XEN_EINVAL, '64-bit guests only'),
    MMUEXT_MARK_SUPER: absent(XEN_EOPNOTSUPP, 'no superpages'),
    MMUEXT_UNMARK_SUPER: absent(XEN_EOPNOTSUPP, 'no superpages'),
  },
  event_channel_op: {
    EVTCHNOP_bind_pirq: absent(XEN_EPERM, NO_PIRQ),
    EVTCHNOP_set_priority: partial('-XEN_ENOSYS before the domain has FIFO queues, as in Xen'),
  },
  physdev_op: {
    PHYSDEVOP_irq_status_query: absent(XEN_EINVAL, NO_PIRQ),
    PHYSDEVOP_eoi: absent(XEN_EINVAL, NO_PIRQ),
    PHYSDEVOP_apic_read: absent(XEN_EPERM, HARDWARE),
    PHYSDEVOP_apic_write: absent(XEN_EPERM, HARDWARE),
    PHYSDEVOP_alloc_irq_vector: absent(XEN_EPERM, HARDWARE),
    PHYSDEVOP_map_pirq: absent(XEN_EPERM, NO_PIRQ),
    PHYSDEVOP_unmap_pirq: absent(XEN_EPERM, NO_PIRQ),
    PHYSDEVOP_setup_gsi: absent(XEN_EPERM, HARDWARE),
    ...unknown(
      [
        'PHYSDEVOP_free_irq_vector',
        'PHYSDEVOP_manage_pci_add',
        'PHYSDEVOP_manage_pci_remove',
        'PHYSDEVOP_pirq_eoi_gmfn_v1',
        'PHYSDEVOP_restore_msi',
        'PHYSDEVOP_manage_pci_add_ext',
        'PHYSDEVOP_get_free_pirq',
        'PHYSDEVOP_pci_mmcfg_reserved',
        'PHYSDEVOP_pci_device_add',
        'PHYSDEVOP_pci_device_remove',
        'PHYSDEVOP_restore_msi_ext',
        'PHYSDEVOP_pirq_eoi_gmfn_v2',
        'PHYSDEVOP_dbgp_op',
        'PHYSDEVOP_prepare_msix',
        'PHYSDEVOP_release_msix',
      ],
      'no devices',
    ),
  },
};
