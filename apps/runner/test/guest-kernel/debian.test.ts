/**
 * Debian's programs for i386 on the host and in the guest: each case of debian/*.txt must give the same output and status.
 * By default some cases of a few small packages; DOMU_DEBIAN=all runs all of all, another value those whose title it matches
 * (a regular expression). DOMU_DEBIAN_WRITE=1 writes what they came to into docs/DEBIAN.md. DOMU_DEBIAN_ENGINE=interpreter runs them without the JIT. What each case came to is in
 * .cache/debian-cases/table as soon as it is through, with the outputs of those that differ.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, expect, test } from 'vitest';
import { Sandbox } from '../harness.ts';
import { at } from './busybox-world.ts';
import { allTitles, debianPage, titlesOf } from './debian-page.ts';
import { Record } from './debian-record.ts';
import { differences, table } from './debian-table.ts';
import {
  type Case,
  caseFiles,
  debianTree,
  inGuest,
  nativeObstacle,
  type Outcome,
  onHost,
  readCases,
} from './debian-world.ts';

const WANTED = process.env.DOMU_DEBIAN ?? '';
const ALL = WANTED === 'all';
const ENGINE = process.env.DOMU_DEBIAN_ENGINE ?? 'jit';
const PAGE = at('../../../../docs/DEBIAN.md');
/** By default one case in so many of the small packages. */
const EVERY = 4;
const SECONDS = WANTED === '' ? 300 : 7200;
const CASE_SECONDS = WANTED === '' ? 60 : 1200;

const sandbox = new Sandbox();
afterAll(() => sandbox.remove());

function chosen(): { packages: string[]; cases: Map<number, Case> } {
  const files = (WANTED === '' ? ['small.txt'] : caseFiles()).map(readCases);
  const all = files.flatMap((file) => file.cases).map((row, index) => [index, row] as const);
  const isWanted = ([index, row]: readonly [number, Case]) =>
    ALL || (WANTED === '' ? index % EVERY === 0 : new RegExp(WANTED).test(row.title));
  return {
    packages: [...new Set(files.flatMap((file) => file.packages))],
    cases: new Map(all.filter(isWanted)),
  };
}

test(
  'programs of Debian do what they do on the host',
  async ({ skip }) => {
    const { packages, cases } = chosen();
    const fixture = debianTree(packages);
    if (fixture.missing !== undefined) return skip(fixture.missing);
    const obstacle = nativeObstacle(fixture.tree);
    if (obstacle !== null) return skip(obstacle);
    const host = onHost(sandbox, fixture.tree, cases);
    const record = new Record('debian-cases', cases, host);
    const told = (number: number, outcome: Outcome) => record.add(number, outcome);
    const options = { seconds: SECONDS, caseSeconds: CASE_SECONDS, engine: ENGINE, told };
    const guest = await inGuest(sandbox, fixture.image, cases, options);
    if (process.env.DOMU_DEBIAN_WRITE) {
      const before = existsSync(PAGE) ? readFileSync(PAGE, 'utf8') : '';
      writeFileSync(PAGE, debianPage(before, cases, host, guest.outcomes));
    }
    console.info(table(cases, host, guest.outcomes));
    expect(host.size).toBe(cases.size);
    expect(differences(cases, host, guest.outcomes)).toEqual([]);
    expect(guest.code, guest.console.slice(-2000)).toBe(0);
    const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` };
    const check = spawnSync('e2fsck', ['-fn', guest.work], { encoding: 'utf8', env });
    expect(check.status, check.stdout).toBe(0);
  },
  (SECONDS + 600) * 1000,
);

test('docs/DEBIAN.md has every case', () => {
  expect(titlesOf(readFileSync(PAGE, 'utf8'))).toEqual(allTitles());
});
