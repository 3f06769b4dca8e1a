import { readFileSync } from 'node:fs';
import {
  __HYPERVISOR_mmuext_op,
  __HYPERVISOR_vcpu_op,
  HYPERCALLS,
  type HypercallName,
  XEN_ENOSYS,
} from '@domu/xen-abi';
import { afterEach, describe, expect, it } from 'vitest';
import { HYPERCALL_TABLE } from '../src/hypercall-table.ts';
import { SUB_OPS } from '../src/sub-ops.ts';
import { CallBench, DATA } from '../src/testing.ts';
import { subOperations, supportDocument } from '../tools/support.ts';

const bench = new CallBench();
afterEach(() => bench.clear());

/** Makes a call with an argument of zeros. */
function call(name: HypercallName, cmd: number): number {
  const guest = bench.guest({ vcpus: 2 });
  guest.writeWords(new Array(64).fill(0));
  if (name === 'mmuext_op') {
    guest.write32(DATA, cmd);
    return guest.call(__HYPERVISOR_mmuext_op, DATA, 1, 0, 0x7ff0);
  }
  if (name === 'vcpu_op') return guest.call(__HYPERVISOR_vcpu_op, cmd, 1, DATA);
  return guest.call(HYPERCALLS[name].nr, cmd, name === 'console_io' ? 0 : DATA, 1);
}

const operations = (Object.keys(HYPERCALLS) as HypercallName[])
  .filter((name) => HYPERCALL_TABLE[name].support !== 'absent')
  .flatMap((name) =>
    subOperations(name).map(([op, cmd]) => ({ name, op, cmd, special: SUB_OPS[name]?.[op] })),
  );

describe('docs/SUPPORT.md', () => {
  it('is what the hypercall table says; tools/write-support.ts writes it', () => {
    const text = readFileSync(new URL('../../../docs/SUPPORT.md', import.meta.url), 'utf8');
    expect(text).toBe(supportDocument());
  });

  it('names only sub-operations that there are', () => {
    for (const [name, ops] of Object.entries(SUB_OPS)) {
      const known = subOperations(name as HypercallName).map(([op]) => op);
      expect(known).toEqual(expect.arrayContaining(Object.keys(ops)));
    }
  });

  it('tells the truth about what is absent, and what is full is known', () => {
    const wrong: string[] = [];
    for (const { name, op, cmd, special } of operations) {
      if (special?.support === 'partial') continue;
      const rc = call(name, cmd);
      bench.clear();
      const fine = special === undefined ? rc !== -XEN_ENOSYS : rc === -special.errno;
      if (!fine) wrong.push(`${name} ${op}: ${rc}`);
    }
    expect(wrong).toEqual([]);
  });
});
