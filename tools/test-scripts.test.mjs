import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const workspaces = ['packages', 'apps'].flatMap((parent) =>
  readdirSync(`${root}${parent}`).map((name) => `${parent}/${name}`),
);

/** vitest takes a filter that matches nothing under --dir for success; a path under --root it does not. */
it.each(workspaces)('the test script of %s runs its tests, and exists when there are some', (dir) => {
  const { scripts } = JSON.parse(readFileSync(`${root}${dir}/package.json`, 'utf8'));
  const tests = readdirSync(`${root}${dir}`).some(
    (part) => ['src', 'test'].includes(part) && hasTests(`${root}${dir}/${part}`),
  );
  expect(scripts.test).toBe(tests ? `vitest run --root ../.. ${dir}` : undefined);
});

const hasTests = (dir) => readdirSync(dir, { recursive: true }).some((name) => name.endsWith('.test.ts'));
