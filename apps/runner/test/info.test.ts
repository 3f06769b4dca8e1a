import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { domu } from './harness.ts';

type Fixture =
  | {
      readonly grub: string;
      readonly grub64: string;
      readonly grubPvh: string;
      readonly linux: string | null;
      readonly missing?: undefined;
    }
  | { readonly missing: string };

const FIXTURE_SCRIPT = fileURLToPath(new URL('../../../scripts/info-fixture.mjs', import.meta.url));
const FETCH_TIMEOUT_MS = 180_000;
let fixture: Fixture = { missing: 'not fetched yet' };

beforeAll(() => {
  fixture = JSON.parse(execFileSync(process.execPath, [FIXTURE_SCRIPT], { encoding: 'utf8' }));
}, FETCH_TIMEOUT_MS);

const report = async (file: string): Promise<Record<string, unknown>> =>
  JSON.parse((await domu(['info', file, '--json'])).stdout);

describe("domu info on other people's kernels", () => {
  test("GRUB's i386-xen boots", async ({ skip }) => {
    if (fixture.missing !== undefined) return skip(fixture.missing);
    const { stdout } = await domu(['info', fixture.grub]);
    expect(stdout).toMatch(/i386-xen.bin: an ELF file, 32-bit i386 executable, "GRUB" for Xen\nboots here: /);
    expect(stdout).toMatch(/\n {2}XEN_VERSION +xen-3\.0\n {2}ENTRY +0x0\n/);
    expect(stdout).toMatch(/\n {2}00000000-[0-9a-f]{8} {2}pfn 0 +\d+ pages +kernel\n/);
  });

  test("GRUB's x86_64-xen and its PVH build do not, and name the one that does", async ({ skip }) => {
    if (fixture.missing !== undefined) return skip(fixture.missing);
    expect(await report(fixture.grub64)).toMatchObject({
      elf: { bits: 64, machine: 'x86-64' },
      boot: {
        ok: false,
        why: expect.stringMatching(/^a 64-bit/),
        advice: expect.stringMatching(/grub-i386-xen\.bin/),
      },
    });
    expect(await report(fixture.grubPvh)).toMatchObject({
      elf: { bits: 32 },
      boot: {
        ok: false,
        why: expect.stringMatching(/^a PVH/),
        advice: expect.stringMatching(/grub-i386-xen\.bin/),
      },
    });
  });

  test("Debian's i386 kernel is for PVH, and Linux has had no PV since 5.9", async ({ skip }) => {
    if (fixture.missing !== undefined) return skip(fixture.missing);
    if (fixture.linux === null) return skip('not in the cache; DOMU_INFO=all fetches it');
    expect(await report(fixture.linux)).toMatchObject({
      kind: 'bzimage',
      linux: { version: expect.stringMatching(/686-pae/), is64Bit: false },
      packed: { compression: 'xz', kind: 'elf' },
      xen: { source: 'notes' },
      boot: { ok: false, why: expect.stringMatching(/^a PVH/), advice: expect.stringMatching(/since 5\.9/) },
    });
  });

  test('kernels of the Xen Test Framework boot', async ({ skip }) => {
    const root = process.env.DOMU_XTF ?? '';
    const tests = join(root, 'tests');
    if (root === '' || !existsSync(tests)) return skip('DOMU_XTF names no folder with a build of XTF');
    const kernels = readdirSync(tests)
      .map((name) => join(tests, name, `test-pv32pae-${name}`))
      .filter((file) => existsSync(file));
    expect(kernels.length).toBeGreaterThan(0);
    for (const kernel of kernels) {
      expect(await report(kernel)).toMatchObject({
        elf: { bits: 32 },
        boot: { ok: true },
        layout: { paging: 'direct' },
      });
    }
  });
});
