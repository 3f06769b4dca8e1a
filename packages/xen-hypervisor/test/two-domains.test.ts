import { __HYPERVISOR_grant_table_op, SHUTDOWN_poweroff } from '@domu/xen-abi';
import { VirtualClock } from '@domu/xen-hypervisor';
import { expect, it } from 'vitest';
import { TwoDomainMachine } from './two-domains.ts';

const ROUNDS = 1000;
/** Each is held by its owner and by the owner's page tables, and by nobody else. */
const LENT_PAGES = [0x16, 0x17];

it.each([
  ['2-level', false],
  ['FIFO', true],
])(
  'two domains share memory by grants and signal each other (%s events), and nothing is left',
  (_abi, fifoClient) => {
    const pair = new TwoDomainMachine({ clock: new VirtualClock() }, { rounds: ROUNDS, fifoClient });
    const { machine, server, client } = pair;
    const allFree = machine.frames.freeFrames;
    expect(pair.run(100)).toEqual([SHUTDOWN_poweroff, SHUTDOWN_poweroff]);
    expect(machine.counters.hypercalls[__HYPERVISOR_grant_table_op]).toBeGreaterThan(3 * ROUNDS);
    expect(machine.frames.freeFrames).toBe(allFree);
    expect([machine.liveGrants, machine.livePorts]).toEqual([0, 0]);
    for (const page of LENT_PAGES) expect(machine.frames.refcount(server.p2m[page])).toBe(2);
    machine.destroyDomain(server.domain);
    machine.destroyDomain(client.domain);
    expect(machine.frames.freeFrames).toBeGreaterThan(allFree + 2 * 70);
  },
);

it('a domain that dies in the middle takes its mappings along; what it lent lives until the other lets go', () => {
  const pair = new TwoDomainMachine({ clock: new VirtualClock() }, { rounds: 1e9, fifoClient: false });
  const { machine, server, client } = pair;
  for (let i = 0; i < 10_000 && machine.liveGrants === 0; i++) machine.run(50);
  machine.destroyDomain(server.domain);
  expect(machine.liveGrants).toBe(1);
  machine.destroyDomain(client.domain);
  expect([machine.liveGrants, machine.livePorts]).toEqual([0, 0]);
  for (const mfn of [...server.p2m, ...client.p2m]) expect(machine.frames.refcount(mfn)).toBe(0);
});
