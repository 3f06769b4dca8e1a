import { expect, test } from 'vitest';
import { Copies } from './copies.ts';

/** How often an entry has to be asked for until it may be compiled. */
function requests(copies: Copies, key: number): number {
  let n = 1;
  while (!copies.mayTry(key)) n++;
  return n;
}

test('an entry that no region holds is compiled at once', () => {
  expect(requests(new Copies(), 7)).toBe(1);
});

test('the more regions hold an entry, the oftener it has to be asked for', () => {
  const copies = new Copies();
  copies.add([7, 8]);
  const once = requests(copies, 7);
  expect(once).toBeGreaterThan(1);
  copies.add([8]);
  expect(requests(copies, 8)).toBeGreaterThan(once);
});

test('regions that go no longer count', () => {
  const copies = new Copies();
  copies.add([7]);
  copies.remove([7]);
  expect(requests(copies, 7)).toBe(1);
});
