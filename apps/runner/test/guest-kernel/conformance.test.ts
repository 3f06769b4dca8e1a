/** The same static i386 programs on the host and in the guest: each of conformance/*.c must print and end alike. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { domu, Sandbox } from '../harness.ts';
import { at } from './busybox-world.ts';
import { cpio } from './user-program.ts';

const TIMEOUT_MS = 300_000;
const FLAGS = ['-m32', '-static', '-O1', '-Wall', '-Wno-unused-result', '-pthread'];

const sandbox = new Sandbox();
afterAll(() => sandbox.remove());

const names = readdirSync(at('conformance'))
  .filter((name) => name.endsWith('.c') && name !== 'init.c')
  .map((name) => name.slice(0, -2))
  .sort();

/** @returns the program's path, or why there is none */
function compile(name: string): { readonly path: string } | { readonly missing: string } {
  const path = sandbox.path(name);
  const args = [...FLAGS, '-o', path, at(`conformance/${name}.c`)];
  const { error, status, stderr } = spawnSync('gcc', args, { encoding: 'utf8' });
  if (error !== undefined) return { missing: 'no gcc' };
  return status === 0 ? { path } : { missing: stderr };
}

/** The capabilities that Linux began with, and the one among them that goes beyond quotas, which no program here needs. */
const PRIVILEGES = 0xffffffffn;
const SYS_RESOURCE = 1n << 24n;

/** Whether we are root with all that belongs to it: the host would refuse what the guest allows. */
function isWholeRoot(): boolean {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false;
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1] ?? '';
  return ((BigInt(`0x${effective || 0}`) | SYS_RESOURCE) & PRIVILEGES) === PRIVILEGES;
}

/** Whether this machine compiles and runs i386 programs at all, as root, whose identity some of them change. */
function whyNot(): string | null {
  if (!isWholeRoot()) return 'needs Linux, as root with its capabilities';
  const source = sandbox.file('probe.c', 'int main(void) { return 5; }\n');
  const { error, status } = spawnSync('gcc', [...FLAGS, '-o', sandbox.path('probe'), source]);
  if (error !== undefined || status !== 0) return 'gcc -m32 -static makes no programs here';
  return spawnSync(sandbox.path('probe')).status === 5 ? null : 'i386 programs do not run here';
}

/** Output and wait status by program, from what the guest's init printed. */
function outcomes(printed: string): Map<string, string> {
  const parts = printed.replaceAll('\r', '').split('@@ ').slice(1);
  return new Map(
    parts.map((part) => {
      const end = part.indexOf('\n');
      return [part.slice(0, end), part.slice(end + 1)];
    }),
  );
}

describe('programs on the host and in the guest', () => {
  const missing = whyNot();
  let guest = new Map<string, string>();
  const programs = new Map<string, string>();

  beforeAll(async () => {
    if (missing !== null) return console.warn(`conformance programs skipped: ${missing}`);
    const files: Record<string, Uint8Array> = { 'dev/': new Uint8Array(0), 't/': new Uint8Array(0) };
    for (const name of ['init', ...names]) {
      const built = compile(name);
      if (!('path' in built)) throw new Error(`${name}: ${built.missing}`);
      programs.set(name, built.path);
      files[name === 'init' ? name : `t/${name}`] = readFileSync(built.path);
    }
    const ramdisk = sandbox.file('conformance.cpio', cpio(files));
    const options = ['--ramdisk', ramdisk, '--memory', '64', '--cmdline', 'quiet', '--timeout', '250'];
    const result = await domu(['run', 'guest-kernel', ...options, '--clock', 'virtual']);
    expect(result).toMatchObject({ code: 0, stderr: '' });
    guest = outcomes(result.stdout);
  }, TIMEOUT_MS);

  test.each(names)('%s', (name) => {
    if (missing !== null) return;
    const cwd = sandbox.path(`${name}.dir`);
    mkdirSync(cwd);
    const run = spawnSync(programs.get(name)!, [], { cwd, encoding: 'latin1', argv0: name });
    expect(guest.get(name)).toBe(`${run.stdout}@status ${(run.status ?? 0) << 8}\n`);
  });
});
