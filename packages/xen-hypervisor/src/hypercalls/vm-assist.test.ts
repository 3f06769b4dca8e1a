import {
  __HYPERVISOR_vm_assist,
  VMASST_CMD_disable,
  VMASST_CMD_enable,
  VMASST_TYPE_4gb_segments,
  VMASST_TYPE_architectural_iopl,
  VMASST_TYPE_runstate_update_flag,
  XEN_EINVAL,
  XEN_ENOSYS,
} from '@domu/xen-abi';
import { afterEach, expect, it } from 'vitest';
import { CallBench } from '../testing.ts';

const bench = new CallBench();
afterEach(() => bench.clear());

it('switches every i386 assist on and off', () => {
  const g = bench.guest();
  for (let type = VMASST_TYPE_4gb_segments; type <= VMASST_TYPE_runstate_update_flag; type++) {
    expect(g.call(__HYPERVISOR_vm_assist, VMASST_CMD_enable, type)).toBe(0);
    expect(g.domain.hasAssist(type)).toBe(true);
  }
  expect(g.call(__HYPERVISOR_vm_assist, VMASST_CMD_disable, VMASST_TYPE_architectural_iopl)).toBe(0);
  expect(g.domain.hasAssist(VMASST_TYPE_architectural_iopl)).toBe(false);
});

it('refuses types of other architectures, and unknown commands', () => {
  const g = bench.guest();
  for (const type of [6, 31, 32, 0xffffffff]) {
    expect(g.call(__HYPERVISOR_vm_assist, VMASST_CMD_enable, type)).toBe(-XEN_EINVAL);
  }
  expect(g.call(__HYPERVISOR_vm_assist, 2, VMASST_TYPE_4gb_segments)).toBe(-XEN_ENOSYS);
});
