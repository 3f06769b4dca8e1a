/**
 * The same static busybox on the host and in the guest: each line of applets.txt must give the same output and status.
 * One line in sixteen by default; DOMU_APPLETS=all runs them all.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { afterAll, describe, expect, test } from 'vitest';
import { domu, Sandbox } from '../harness.ts';
import { at, busyboxRoot, fetchedBusybox } from './busybox-world.ts';

const RUN_TIMEOUT_MS = 600_000;
const EVERY = process.env.DOMU_APPLETS === 'all' ? 1 : 16;

const sandbox = new Sandbox();
const busybox = fetchedBusybox();
afterAll(() => sandbox.remove());

/** The lines to run; the others are made empty, so that numbers stay those of the file. */
const LINES = readFileSync(at('applets.txt'), 'latin1').split('\n');
const isRow = (line: string) => line !== '' && !line.startsWith('#');
const ROWS = LINES.flatMap((line, index) => (isRow(line) ? [index] : [])).filter(
  (_row, n) => n % EVERY === 0,
);
const LIST = LINES.map((line, index) => (ROWS.includes(index) ? line : '')).join('\n');

/** What a run printed: status and output by line number. */
function outcomes(printed: string): Map<number, string> {
  const found = new Map<number, string>();
  for (const part of printed.replaceAll('\r', '').split('@@ ').slice(1)) {
    const [head = '', ...encoded] = part.split('\n');
    const [number, status] = head.split(' ');
    if (status === undefined) continue;
    const output = Buffer.from(encoded.join(''), 'base64').toString('latin1');
    found.set(Number(number), `status ${status}\n${output}`);
  }
  return found;
}

function onHost(busybox: string): Map<number, string> {
  const root = sandbox.path('host');
  mkdirSync(root);
  const args = ['sh', at('applets.sh'), busybox, root, sandbox.file('list', LIST)];
  const result = spawnSync(busybox, args, { encoding: 'latin1', maxBuffer: 1 << 26 });
  return outcomes(result.stdout);
}

async function inGuest(busybox: string): Promise<Map<number, string>> {
  const init = '/bin/busybox sh /applets.sh /bin/busybox /r /list\n/bin/busybox poweroff -f';
  const files = { 'applets.sh': readFileSync(at('applets.sh')), list: Buffer.from(LIST, 'latin1') };
  const ramdisk = sandbox.file('root.cpio', busyboxRoot(busybox, init, files));
  const options = ['--ramdisk', ramdisk, '--memory', '128', '--cmdline', 'quiet', '--timeout', '500'];
  const result = await domu(['run', 'guest-kernel', ...options]);
  expect(result).toMatchObject({ code: 0, stderr: '' });
  return outcomes(result.stdout);
}

describe('busybox in the guest', () => {
  test(
    'does what it does on the host',
    async ({ skip }) => {
      const fixture = busybox();
      if (fixture.missing !== undefined) return skip(fixture.missing);
      const host = onHost(fixture.busybox);
      const guest = await inGuest(fixture.busybox);
      const told = (from: Map<number, string>) =>
        Object.fromEntries(ROWS.map((row) => [LINES[row]!, from.get(row + 1)]));
      expect(told(guest)).toEqual(told(host));
      expect(host.size).toBe(ROWS.length);
      console.info(`busybox: ${ROWS.length} behaviours as on the host`);
    },
    RUN_TIMEOUT_MS,
  );
});
