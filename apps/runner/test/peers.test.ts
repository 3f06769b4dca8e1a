import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { withFigures } from '../bench/peers/page.ts';

const bench = fileURLToPath(new URL('../bench/peers/main.ts', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'domu-bench-'));
afterAll(() => rmSync(folder, { recursive: true }));

function run(args: readonly string[], env: NodeJS.ProcessEnv = {}): ReturnType<typeof spawnSync> {
  const command = ['--import', 'tsx', bench, '--quick', '--from-source', ...args];
  return spawnSync(process.execPath, command, { encoding: 'utf8', env: { ...process.env, ...env } });
}

test('one image runs on all hosts that are here, and they agree; what is not here is one line', {
  timeout: 300_000,
}, () => {
  const json = join(folder, 'report.json');
  const { status, stdout, stderr } = run(['--only', 'matmul', '--json', json]);
  if (String(stderr).includes('apt-get install gcc')) {
    console.log(stderr);
    expect(status).toBe(1);
    return;
  }
  expect(status, String(stderr)).toBe(0);
  expect(stdout).toMatch(/^geometric mean/m);
  const report: unknown = JSON.parse(readFileSync(json, 'utf8'));
  expect(report).toMatchObject({ programs: { matmul: { domu_ms: expect.any(Number) } }, geomean: {} });
});

test('without a compiler it says what to install', { timeout: 120_000 }, () => {
  const { status, stderr } = run(['--only', 'list', '--cache', folder], { PATH: folder });
  expect(status).toBe(1);
  expect(stderr).toContain('apt-get install gcc');
});

test('figures replace those that stand in the page, and nothing else', () => {
  const page = 'before\n<!-- peers:begin -->\nold\n<!-- peers:end -->\nbehind\n';
  const once = withFigures(page, 'peers', 'fib 1x\n');
  expect(once).toBe('before\n<!-- peers:begin -->\n\n```text\nfib 1x\n```\n\n<!-- peers:end -->\nbehind\n');
  expect(withFigures(once, 'peers', 'fib 1x\n')).toBe(once);
  expect(() => withFigures('no place', 'peers', '')).toThrow('no place for figures');
});
