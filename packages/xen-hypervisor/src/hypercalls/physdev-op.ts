import {
  PHYSDEVOP_alloc_irq_vector,
  PHYSDEVOP_apic_read,
  PHYSDEVOP_apic_write,
  PHYSDEVOP_eoi,
  PHYSDEVOP_irq_status_query,
  PHYSDEVOP_map_pirq,
  PHYSDEVOP_set_iobitmap,
  PHYSDEVOP_set_iopl,
  PHYSDEVOP_setup_gsi,
  PHYSDEVOP_unmap_pirq,
  PhysdevOp,
  PhysdevSetIobitmap,
  PhysdevSetIopl,
  XEN_EFAULT,
  XEN_EINVAL,
  XEN_ENOSYS,
  XEN_EPERM,
} from '@domu/xen-abi';
import type { Caller } from '../caller.ts';

const IO_PORTS = 65536;

/**
 * HYPERVISOR_physdev_op, as far as a domain without devices has it: its virtual IOPL and I/O permission bitmap.
 * @returns 0; -EINVAL bad value or an interrupt it does not have, -EPERM for the hardware domain's calls, -EFAULT, -ENOSYS
 * Source: xen/arch/x86/physdev.c, "do_physdev_op" @ RELEASE-4.18.0
 */
export function physdevOp(caller: Caller, cmd: number, arg: number): number {
  switch (cmd) {
    case PHYSDEVOP_set_iopl:
      return setIopl(caller, arg);
    case PHYSDEVOP_set_iobitmap:
      return setIobitmap(caller, arg);
    case PHYSDEVOP_irq_status_query:
    case PHYSDEVOP_eoi:
      return -XEN_EINVAL;
    case PHYSDEVOP_apic_read:
    case PHYSDEVOP_apic_write:
    case PHYSDEVOP_alloc_irq_vector:
    case PHYSDEVOP_map_pirq:
    case PHYSDEVOP_unmap_pirq:
    case PHYSDEVOP_setup_gsi:
      return -XEN_EPERM;
    default:
      return -XEN_ENOSYS;
  }
}

/** HYPERVISOR_physdev_op_compat: command and arguments in one structure. */
export function physdevOpCompat(caller: Caller, op: number): number {
  const cmd = caller.mem.readU32(op);
  return cmd < 0 ? -XEN_EFAULT : physdevOp(caller, cmd, op + PhysdevOp.u.offset);
}

function setIopl({ vcpu, mem }: Caller, arg: number): number {
  const view = mem.readView(arg, PhysdevSetIopl.size);
  if (view === null) return -XEN_EFAULT;
  const iopl = PhysdevSetIopl.iopl.get(view, 0);
  if (iopl > 3) return -XEN_EINVAL;
  vcpu.viopl = iopl;
  return 0;
}

function setIobitmap({ vcpu, mem }: Caller, arg: number): number {
  const view = mem.readView(arg, PhysdevSetIobitmap.size);
  if (view === null) return -XEN_EFAULT;
  const bitmap = PhysdevSetIobitmap.bitmap.get(view, 0);
  const nrPorts = PhysdevSetIobitmap.nr_ports.get(view, 0);
  if (nrPorts > IO_PORTS || !mem.accessOk(bitmap, IO_PORTS / 8)) return -XEN_EINVAL;
  vcpu.iobitmapVa = bitmap;
  vcpu.iobitmapPorts = nrPorts;
  return 0;
}
