/**
 * Servers and large programs of Debian and npm: each script of ladder/ must print the same on the host and in the guest, and the
 * guest's servers must answer the host. By default one web server; DOMU_LADDER=all runs all, another value those whose name it
 * matches (a regular expression). DOMU_LADDER_ENGINE=interpreter runs them without the JIT.
 */
import { afterAll, expect, test } from 'vitest';
import { Sandbox } from '../harness.ts';
import { nativeObstacle } from './debian-world.ts';
import { Host } from './ladder-host.ts';
import { fixtureOf, inGuest, onHost, readRungs } from './ladder-world.ts';

const WANTED = process.env.DOMU_LADDER ?? '^17-nginx$';
const ENGINE = process.env.DOMU_LADDER_ENGINE ?? 'jit';
const TIMEOUT_MS = 1_200_000;

const sandbox = new Sandbox();
const table: string[] = ['rung              verdict  host s  guest s  CPU s  what'];
afterAll(() => {
  console.info(table.join('\n'));
  sandbox.remove();
});

for (const rung of readRungs().filter(({ name }) => WANTED === 'all' || new RegExp(WANTED).test(name))) {
  test(
    `${rung.name}: ${rung.title}`,
    async ({ skip }) => {
      const fixture = fixtureOf(rung);
      if ('missing' in fixture) return skip(fixture.missing);
      const obstacle = nativeObstacle(fixture.tree);
      if (obstacle !== null) return skip(obstacle);
      const host = new Host(fixture.tree, sandbox.directory);
      const there = onHost(sandbox, rung, fixture, host);
      const here = await inGuest(sandbox, rung, fixture, { host, engine: ENGINE }).finally(() =>
        host.close(),
      );
      const told = here.deeds.filter(({ expected, got }) => expected !== got);
      const same = here.lines === there.lines && here.status === there.status && told.length === 0;
      const seconds = (value: number, width: number) => value.toFixed(2).padStart(width);
      const numbers = [seconds(there.ms / 1000, 7), seconds(here.ms / 1000, 8), seconds(here.cpuSeconds, 6)];
      table.push(
        `${rung.name.padEnd(17)} ${same ? 'same   ' : 'DIFFERS'} ${numbers.join(' ')}  ${rung.title}`,
      );
      for (const [i, line] of here.measurements.entries())
        table.push(`    ${line} (host: ${there.measurements[i]})`);
      for (const { what } of here.deeds) table.push(`    the host: ${what}`);
      expect(here.lines).toBe(there.lines);
      expect(here.status).toBe(there.status);
      expect(here.deeds.length).toBe(rung.script.match(/^host /gm)?.length ?? 0);
      expect(told).toEqual([]);
    },
    TIMEOUT_MS,
  );
}
