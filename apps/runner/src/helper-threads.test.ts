import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';

const module = new URL('helper-threads.ts', import.meta.url);
/** Prints how nice the threads of its process are, in the order in which they were started. */
const CHILD = `
import { readdirSync, readFileSync } from 'node:fs';
import { makeHelperThreadsNice } from '${module}';
makeHelperThreadsNice();
const niceness = (thread) => readFileSync('/proc/self/task/' + thread + '/stat', 'latin1').split(') ')[1].split(' ')[16];
const threads = readdirSync('/proc/self/task').map(Number).sort((a, b) => a - b);
console.log(threads.map(niceness).join(' '));
`;

test.runIf(process.platform === 'linux')("the guest's thread and one helper keep their priority", () => {
  const { stdout, stderr } = spawnSync(
    process.execPath,
    ['--import', 'tsx', '--input-type=module', '-e', CHILD],
    { encoding: 'utf8' },
  );
  const nices = stdout.trim().split(' ').map(Number);
  const [guest = 0, , helper, ...others] = nices;
  expect([guest, stderr]).toEqual([helper, '']);
  expect(others.length).toBeGreaterThan(0);
  expect(others.every((nice) => nice === Math.min(guest + 5, 19))).toBe(true);
});
