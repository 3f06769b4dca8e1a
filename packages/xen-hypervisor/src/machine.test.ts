import { __HYPERVISOR_xen_version } from '@domu/xen-abi';
import { expect, it } from 'vitest';
import { DATA, hypercall, SPIN, storeEax, TestGuest } from './testing.ts';

it('a guest makes a hypercall and gets its result in eax', () => {
  const guest = new TestGuest();
  guest.load([...hypercall(__HYPERVISOR_xen_version, 0, 0), ...storeEax(DATA), ...SPIN]);
  guest.start();
  guest.run(100);
  expect(guest.domain.crash).toBeNull();
  expect(guest.read32(DATA)).toBe((4 << 16) | 18);
});
