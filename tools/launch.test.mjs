import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { builtMain, prepare } from '../scripts/workspace.mjs';

const directory = mkdtempSync(join(tmpdir(), 'domu-launch-'));
const main = join(directory, 'dist', 'domu.mjs');
const code = join(directory, 'dist', 'domu.cjs.code');

const version = (env = {}) =>
  spawnSync(process.execPath, [main, '--version'], { encoding: 'utf8', env: { ...process.env, ...env } });

/** The command as it is built, without V8's code. */
beforeAll(async () => {
  await prepare();
  mkdirSync(dirname(main));
  for (const name of ['domu.mjs', 'domu.cjs'])
    copyFileSync(join(dirname(builtMain), name), join(dirname(main), name));
  copyFileSync(join(dirname(builtMain), '..', 'package.json'), join(directory, 'package.json'));
}, 300_000);
afterAll(() => rmSync(directory, { recursive: true }));

test('the command runs without the code of an earlier run', () => {
  expect(version()).toMatchObject({ status: 0, stderr: '', stdout: expect.stringMatching(/^\d+\.\d+/) });
  expect(existsSync(code)).toBe(false);
});

test('it keeps its code when it is told to, and then runs with it', () => {
  expect(version({ DOMU_KEEP_CODE: '1' }).status).toBe(0);
  expect(statSync(code).size).toBeGreaterThan(1000);
  expect(version()).toMatchObject({ status: 0, stderr: '' });
});

test('it runs when that code is of no use', () => {
  writeFileSync(code, 'something else');
  expect(version()).toMatchObject({ status: 0, stderr: '', stdout: expect.stringMatching(/^\d+\.\d+/) });
});
