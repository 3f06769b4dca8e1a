import {
  __HYPERVISOR_physdev_op,
  __HYPERVISOR_physdev_op_compat,
  PHYSDEVOP_apic_read,
  PHYSDEVOP_eoi,
  PHYSDEVOP_irq_status_query,
  PHYSDEVOP_map_pirq,
  PHYSDEVOP_set_iobitmap,
  PHYSDEVOP_set_iopl,
  PHYSDEVOP_setup_gsi,
  XEN_EFAULT,
  XEN_EINVAL,
  XEN_ENOSYS,
  XEN_EPERM,
} from '@domu/xen-abi';
import { afterEach, expect, it } from 'vitest';
import { CallBench, DATA } from '../testing.ts';

const bench = new CallBench();
afterEach(() => bench.clear());

it('set_iopl takes 0 to 3', () => {
  const g = bench.guest();
  const set = (iopl: number): number => g.callWith(__HYPERVISOR_physdev_op, PHYSDEVOP_set_iopl, [iopl]);
  expect([set(1), g.vcpu.viopl]).toEqual([0, 1]);
  expect([set(3), g.vcpu.viopl]).toEqual([0, 3]);
  expect([set(4), g.vcpu.viopl]).toEqual([-XEN_EINVAL, 3]);
  expect(g.call(__HYPERVISOR_physdev_op, PHYSDEVOP_set_iopl, 0x400000)).toBe(-XEN_EFAULT);
});

it('set_iobitmap takes up to 65536 ports of a bitmap below the hypervisor window', () => {
  const g = bench.guest();
  const set = (va: number, nr: number): number =>
    g.callWith(__HYPERVISOR_physdev_op, PHYSDEVOP_set_iobitmap, [va, nr]);
  expect([set(0x9000, 1024), g.vcpu.iobitmapVa, g.vcpu.iobitmapPorts]).toEqual([0, 0x9000, 1024]);
  expect(set(0x9000, 65537)).toBe(-XEN_EINVAL);
  expect(set(0xf57ff000, 8)).toBe(-XEN_EINVAL);
});

it('a domain without devices has no interrupts to ask about, and no hardware to set up', () => {
  const g = bench.guest();
  const call = (cmd: number): number => g.callWith(__HYPERVISOR_physdev_op, cmd, [0, 0, 0, 0]);
  expect([PHYSDEVOP_irq_status_query, PHYSDEVOP_eoi].map(call)).toEqual([-XEN_EINVAL, -XEN_EINVAL]);
  for (const cmd of [PHYSDEVOP_map_pirq, PHYSDEVOP_apic_read, PHYSDEVOP_setup_gsi]) {
    expect(call(cmd)).toBe(-XEN_EPERM);
  }
  expect(call(200)).toBe(-XEN_ENOSYS);
});

it('the old form carries the command in the structure', () => {
  const g = bench.guest();
  g.writeWords([PHYSDEVOP_set_iopl, 2]);
  expect(g.call(__HYPERVISOR_physdev_op_compat, DATA)).toBe(0);
  expect(g.vcpu.viopl).toBe(2);
  expect(g.call(__HYPERVISOR_physdev_op_compat, 0x400000)).toBe(-XEN_EFAULT);
});
