import { EVTCHNOP, HYPERCALL_NAMES } from '@domu/xen-abi';
import { expect, test } from 'vitest';
import { hypercallText } from './names.ts';

test('hypercalls are called by their names and sub-operations', () => {
  expect(hypercallText(32, EVTCHNOP.EVTCHNOP_send)).toBe('event_channel_op send');
  expect(hypercallText(21, 0)).toBe('vm_assist enable');
  expect(hypercallText(1, 7)).toBe('mmu_update');
  expect(hypercallText(32, 200)).toBe('event_channel_op 200');
  expect(hypercallText(11, 0)).toBe('hypercall 11');
  const names = HYPERCALL_NAMES.flatMap((_, nr) => [hypercallText(nr, 0)]);
  expect(new Set(names).size).toBe(names.length);
});
