import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import getReleasePlan from '@changesets/get-release-plan';
import { expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const manifests = readdirSync(`${root}packages`).map((name) =>
  JSON.parse(readFileSync(`${root}packages/${name}/package.json`, 'utf8')),
);
const published = manifests.filter((manifest) => !manifest.private);

/** CommonJS that was made from a default export. */
const planOf = getReleasePlan.default ?? getReleasePlan;
const { releases } = await planOf(root);

it('a package that was never released has a changeset, and 0.1.0 is its first version', () => {
  const planned = Object.fromEntries(releases.map(({ name, newVersion }) => [name, newVersion]));
  const unreleased = published.filter(({ version }) => version === '0.0.0').map(({ name }) => name);
  expect(Object.fromEntries(unreleased.map((name) => [name, planned[name]]))).toEqual(
    Object.fromEntries(unreleased.map((name) => [name, '0.1.0'])),
  );
});

it('nothing that is private is released', () => {
  const isPrivate = new Set(manifests.filter((manifest) => manifest.private).map(({ name }) => name));
  expect(releases.filter(({ name, type }) => isPrivate.has(name) && type !== 'none')).toEqual([]);
});
