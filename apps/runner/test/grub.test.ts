import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type CommandResult, domu, Sandbox } from './harness.ts';

/** What `scripts/test-fixture.mjs` answers. */
type Fixture =
  | { readonly kernel: string; readonly helloText: string; readonly missing?: undefined }
  | { readonly missing: string };

const FIXTURE_SCRIPT = fileURLToPath(new URL('../../../scripts/test-fixture.mjs', import.meta.url));
const FETCH_TIMEOUT_MS = 180_000;
const MAX_SCRIPT_SECONDS = 8;

const sandbox = new Sandbox();
const disk = sandbox.path('disk.img');
let fixture: Fixture = { missing: 'not fetched yet' };

beforeAll(() => {
  fixture = JSON.parse(execFileSync(process.execPath, [FIXTURE_SCRIPT, disk], { encoding: 'utf8' }));
  if (fixture.missing !== undefined) console.warn(`GRUB tests skipped: ${fixture.missing}`);
}, FETCH_TIMEOUT_MS);
afterAll(() => sandbox.remove());

interface GrubRun extends CommandResult {
  readonly stats: { readonly instructionsRetired: number };
}

/** Boots GRUB with the disk and looks for hello.txt, as a user would. */
async function readHello(kernel: string, helloText: string, ...options: string[]): Promise<GrubRun> {
  const stats = sandbox.path('stats.json');
  const script = [
    ...['--expect', 'grub>', '--type', 'ls\\n', '--expect', '\\(xen/xvda'],
    ...['--type', 'cat (xen/xvda,msdos1)/hello.txt\\n', '--expect', helloText],
  ];
  const spec = `${disk},raw,xvda,r`;
  const result = await domu(['run', kernel, '--disk', spec, '--stats', stats, ...options, ...script]);
  return { ...result, stats: JSON.parse(readFileSync(stats, 'utf8')) };
}

describe('GRUB for Xen, as Debian builds it', () => {
  test('comes to its prompt', async ({ skip }) => {
    if (fixture.missing !== undefined) return skip(fixture.missing);
    const result = await domu(['run', fixture.kernel, '--expect', 'grub>', '--timeout', '60']);
    expect(result).toMatchObject({ code: 0, stderr: '' });
    expect(result.stdout).toMatch(/GNU GRUB +version/);
  });

  test('reads a file from an ext2 file system behind a partition table', async ({ skip }) => {
    if (fixture.missing !== undefined) return skip(fixture.missing);
    const { kernel, helloText } = fixture;
    const before = process.cpuUsage();
    const result = await readHello(kernel, helloText, '--timeout', '60');
    expect(result).toMatchObject({ code: 0, stderr: '' });
    expect(result.stdout).toContain('(xen/xvda,msdos1)');
    // Time on the CPU, because other tests run beside this one.
    expect(process.cpuUsage(before).user).toBeLessThan(MAX_SCRIPT_SECONDS * 1e6);
  });

  test('retires the same instructions in every virtual run, under every engine', async ({ skip }) => {
    if (fixture.missing !== undefined) return skip(fixture.missing);
    const { kernel, helloText } = fixture;
    const counts: number[] = [];
    for (const engine of ['interpreter', 'interpreter', 'jit']) {
      const options = ['--clock', 'virtual', '--engine', engine, '--timeout', '60'];
      const result = await readHello(kernel, helloText, ...options);
      expect(result).toMatchObject({ code: 0, stderr: '' });
      counts.push(result.stats.instructionsRetired);
    }
    expect(counts).toEqual([counts[0], counts[0], counts[0]]);
  });
});
