import { type GrantOf, type GuestGrants, Lender } from '@domu/grant-table/guest';
import type { LinearAddr } from '@domu/xen-abi';
import { beforeEach, describe, expect, test } from 'vitest';
import { PagePool } from './page-pool.ts';

/** Grants that remember what was given; the test says which the backend holds. */
class FakeGrants {
  readonly given: Map<number, GrantOf> = new Map();
  readonly held: Set<number> = new Set();
  left = 100;
  #next = 8;

  grantAccess(grant: GrantOf): number {
    if (this.left-- <= 0) return -1;
    this.given.set(this.#next, grant);
    return this.#next++;
  }

  inUse(ref: number): boolean {
    return this.held.has(ref);
  }

  endAccess(ref: number): boolean {
    if (!this.given.delete(ref)) throw new Error(`grant ${ref} ended twice`);
    return true;
  }
}

let grants: FakeGrants;
let lender: Lender;
let taken: Set<number>;
let free: number;

const pages = {
  alloc: () => {
    if (free === 0) return null;
    const gfn = 100 - free--;
    taken.add(gfn);
    return { va: (gfn * 4096) as LinearAddr, gfn };
  },
  free: ({ gfn }: { gfn: number }) => {
    if (!taken.delete(gfn)) throw new Error(`page ${gfn} freed twice`);
  },
};

function newPool(persistent: boolean): PagePool {
  return new PagePool({ lender, pages, backendDomid: 0, persistent, maxPages: 4 });
}

beforeEach(() => {
  grants = new FakeGrants();
  taken = new Set();
  free = 10;
  lender = new Lender(grants as unknown as GuestGrants, pages);
});

describe('with persistent grants', () => {
  test('a page is lent once, for writing, and the one used last is used next', () => {
    const pool = newPool(true);
    const [a, b] = [pool.take(true), pool.take(true)];
    expect([...grants.given.values()].map(({ readonly }) => readonly)).toEqual([false, false]);
    pool.give(a!);
    pool.give(b!);
    expect([pool.take(false), pool.take(true), grants.given.size]).toEqual([b, a, 2]);
  });
  test('all pages come back at the end', () => {
    const pool = newPool(true);
    pool.give(pool.take(true)!);
    pool.release();
    expect([taken.size, grants.given.size]).toEqual([0, 0]);
  });
});

describe('with a grant for each request', () => {
  test('the backend may do no more than it has to', () => {
    const pool = newPool(false);
    const [read, write] = [pool.take(true), pool.take(false)];
    expect([grants.given.get(read!.gref)?.readonly, grants.given.get(write!.gref)?.readonly]).toEqual([
      true,
      false,
    ]);
    pool.give(read!);
    expect(grants.given.has(read!.gref)).toBe(false);
  });
  test('a page that the backend keeps is not used again before it lets go', () => {
    const pool = newPool(false);
    const page = pool.take(true)!;
    grants.held.add(page.gref);
    pool.give(page);
    const others = [pool.take(true), pool.take(true), pool.take(true), pool.take(true)];
    expect(others.every((other) => other !== null && other.gfn !== page.gfn)).toBe(true);
    for (const other of others) pool.give(other!);
    pool.release();
    expect([taken.size, lender.nrWaiting]).toEqual([1, 1]);
    grants.held.clear();
    lender.sweep();
    expect([taken.size, lender.nrWaiting, grants.given.size]).toEqual([0, 0, 0]);
  });
});

test('there are no more pages than the limit, than the kernel has, and than there are grants', () => {
  const pool = newPool(false);
  const got = [1, 2, 3, 4, 5].map(() => pool.take(true));
  expect(got.map((page) => page !== null)).toEqual([true, true, true, true, false]);
  free = 0;
  expect(newPool(true).take(true)).toBeNull();
  grants.left = 0;
  pool.give(got[0]!);
  expect(pool.take(true)).toBeNull();
  for (const page of got.slice(1, 4)) pool.give(page!);
  pool.release();
  expect(taken.size).toBe(0);
});
