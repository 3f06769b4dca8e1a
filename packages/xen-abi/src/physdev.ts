/** Physical devices: I/O privilege for unprivileged guests. Source: xen/include/public/physdev.h @ RELEASE-4.18.0 */
import { nested, ptr, struct, u32, ulong, union } from './struct.ts';

export const PHYSDEVOP_irq_status_query = 5;
export const PHYSDEVOP_set_iopl = 6;
export const PHYSDEVOP_set_iobitmap = 7;
export const PHYSDEVOP_apic_read = 8;
export const PHYSDEVOP_apic_write = 9;
export const PHYSDEVOP_alloc_irq_vector = 10;
export const PHYSDEVOP_free_irq_vector = 11;
export const PHYSDEVOP_eoi = 12;
export const PHYSDEVOP_map_pirq = 13;
export const PHYSDEVOP_unmap_pirq = 14;
export const PHYSDEVOP_manage_pci_add = 15;
export const PHYSDEVOP_manage_pci_remove = 16;
export const PHYSDEVOP_pirq_eoi_gmfn_v1 = 17;
export const PHYSDEVOP_restore_msi = 19;
export const PHYSDEVOP_manage_pci_add_ext = 20;
export const PHYSDEVOP_setup_gsi = 21;
export const PHYSDEVOP_get_free_pirq = 23;
export const PHYSDEVOP_pci_mmcfg_reserved = 24;
export const PHYSDEVOP_pci_device_add = 25;
export const PHYSDEVOP_pci_device_remove = 26;
export const PHYSDEVOP_restore_msi_ext = 27;
export const PHYSDEVOP_pirq_eoi_gmfn_v2 = 28;
export const PHYSDEVOP_dbgp_op = 29;
export const PHYSDEVOP_prepare_msix = 30;
export const PHYSDEVOP_release_msix = 31;
/** Sub-operations of physdev_op, by name. */
export const PHYSDEVOP = {
  PHYSDEVOP_irq_status_query,
  PHYSDEVOP_set_iopl,
  PHYSDEVOP_set_iobitmap,
  PHYSDEVOP_apic_read,
  PHYSDEVOP_apic_write,
  PHYSDEVOP_alloc_irq_vector,
  PHYSDEVOP_free_irq_vector,
  PHYSDEVOP_eoi,
  PHYSDEVOP_map_pirq,
  PHYSDEVOP_unmap_pirq,
  PHYSDEVOP_manage_pci_add,
  PHYSDEVOP_manage_pci_remove,
  PHYSDEVOP_pirq_eoi_gmfn_v1,
  PHYSDEVOP_restore_msi,
  PHYSDEVOP_manage_pci_add_ext,
  PHYSDEVOP_setup_gsi,
  PHYSDEVOP_get_free_pirq,
  PHYSDEVOP_pci_mmcfg_reserved,
  PHYSDEVOP_pci_device_add,
  PHYSDEVOP_pci_device_remove,
  PHYSDEVOP_restore_msi_ext,
  PHYSDEVOP_pirq_eoi_gmfn_v2,
  PHYSDEVOP_dbgp_op,
  PHYSDEVOP_prepare_msix,
  PHYSDEVOP_release_msix,
} as const;

/** struct physdev_eoi. */
export const PhysdevEoi = struct('physdev_eoi', { irq: u32 });

/** struct physdev_irq_status_query. */
export const PhysdevIrqStatusQuery = struct('physdev_irq_status_query', {
  irq: u32, // IN
  flags: u32, // XENIRQSTAT_* OUT
});

/** struct physdev_set_iopl. */
export const PhysdevSetIopl = struct('physdev_set_iopl', { iopl: u32 });

/** struct physdev_set_iobitmap. */
export const PhysdevSetIobitmap = struct('physdev_set_iobitmap', {
  bitmap: ptr, // one bit per port, clear: allowed IN
  nr_ports: u32, // at most 65536                    IN
});

/** struct physdev_apic. */
export const PhysdevApic = struct('physdev_apic', { apic_physbase: ulong, reg: u32, value: u32 });

/** struct physdev_irq. */
export const PhysdevIrq = struct('physdev_irq', { irq: u32, vector: u32 });

/** struct physdev_op: argument of physdev_op_compat. */
export const PhysdevOp = struct('physdev_op', {
  cmd: u32, // PHYSDEVOP_* IN
  u: nested(
    union('', {
      irq_status_query: nested(PhysdevIrqStatusQuery),
      set_iopl: nested(PhysdevSetIopl),
      set_iobitmap: nested(PhysdevSetIobitmap),
      apic_op: nested(PhysdevApic),
      irq_op: nested(PhysdevIrq),
    }),
  ),
});
