import { readFileSync } from 'node:fs';
import { afterAll, expect, test } from 'vitest';
import { domu, Sandbox } from '../harness.ts';

const sandbox = new Sandbox();
afterAll(() => sandbox.remove());

/** Pipes, files, a signal, sleeping, background jobs, procfs: what a person types. */
const LINES = [
  'ls -l / | grep bin; echo $(uname -r) > /tmp/a; cat /tmp/a /proc/uptime',
  'for i in 1 2 3; do echo $i | wc; done; sleep 1; date',
  'sleep 100 & kill %1; ps; dd if=/dev/urandom bs=16 count=1 | hexdump',
  'poweroff',
];

async function session(name: string, ...args: readonly string[]): Promise<{ text: string; retired: number }> {
  const stats = sandbox.path(`${name}.json`);
  const script = LINES.flatMap((line) => ['--expect', 'domu:~# ', '--type', `${line}\\n`]);
  const result = await domu(['run', 'guest-kernel', '--timeout', '60', '--stats', stats, ...script, ...args]);
  expect(result.stderr).toBe('');
  expect(result.code).toBe(0);
  return { text: result.stdout, retired: JSON.parse(readFileSync(stats, 'utf8')).instructionsRetired };
}

test('a session on the virtual clock repeats byte for byte and instruction for instruction, on either engine', async () => {
  const first = await session('first', '--clock', 'virtual', '--engine', 'interpreter');
  const second = await session('second', '--clock', 'virtual', '--engine', 'interpreter');
  const compiled = await session('compiled', '--clock', 'virtual', '--engine', 'jit');
  expect(first.text).toContain('4.19');
  expect(second).toEqual(first);
  expect(compiled).toEqual(first);
}, 120_000);

test.each(['interpreter', 'jit'])(
  'the same session ends in order on the host clock: %s',
  async (engine) => {
    const { text } = await session(`host-${engine}`, '--clock', 'host', '--engine', engine);
    expect(text).toContain('/init');
  },
  120_000,
);
