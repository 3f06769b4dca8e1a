import { describe, expect, it } from 'vitest';
import * as numbers from './hypercall-numbers.ts';
import { HYPERCALL_NAMES, HYPERCALLS, type HypercallName, hypercallName } from './hypercalls.ts';

const names = Object.keys(HYPERCALLS) as HypercallName[];

describe('hypercall table', () => {
  it('has a row for every __HYPERVISOR_ number, under its own name', () => {
    const declared = Object.entries(numbers).filter(([name]) => name.startsWith('__HYPERVISOR_'));
    expect(Object.fromEntries(names.map((name) => [`__HYPERVISOR_${name}`, HYPERCALLS[name].nr]))).toEqual(
      Object.fromEntries(declared),
    );
  });

  it('finds every row by its number, and nothing elsewhere', () => {
    for (const name of names) expect(hypercallName(HYPERCALLS[name].nr)).toBe(name);
    for (const free of [11, 43, 47, 56, 63, 64, -1, 1e9]) expect(hypercallName(free)).toBeUndefined();
    expect(HYPERCALL_NAMES.filter((name) => name !== undefined)).toHaveLength(names.length);
  });

  it('takes at most the five argument registers', () => {
    for (const name of names) expect(HYPERCALLS[name].args.length).toBeLessThanOrEqual(5);
  });

  it('names sub-operations where a call has them', () => {
    expect(HYPERCALLS.grant_table_op.args[0]).toMatchObject({ name: 'cmd', values: { GNTTABOP_copy: 5 } });
  });
});
