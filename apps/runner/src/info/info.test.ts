import { legacyKernel, testKernel } from '@domu/testkit';
import { afterAll, describe, expect, test } from 'vitest';
import { domu, guestKernel, HELLO, Sandbox } from '../../test/harness.ts';

const sandbox = new Sandbox();
const kernel = sandbox.file('kernel', guestKernel(HELLO));
const script = sandbox.file('script', '#!/bin/sh\necho hello\n');
afterAll(() => sandbox.remove());

const lines = async (...args: string[]): Promise<string[]> => {
  const { code, stdout, stderr } = await domu(['info', ...args]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout.replaceAll(sandbox.directory, 'DIR').split('\n');
};

describe('domu info', () => {
  test('tells all about a kernel, the verdict first', async () => {
    const told = await lines(kernel);
    expect(told.slice(0, 2)).toEqual([
      'DIR/kernel: an ELF file, 32-bit i386 executable, "test" for Xen',
      'boots here: domu run DIR/kernel',
    ]);
    expect(told).toContain('  HYPERCALL_PAGE  0x101000');
    expect(told).toContain('  writable_page_tables       not used   offered');
    expect(told).toContain('  128 MiB, direct paging, 3-level page tables (PAE), the first 4.0 MiB mapped');
    expect(told).toContain('  00100000-0010ffff  pfn 256    16 pages     kernel');
  });

  test('the layout is that of the memory and RAM disk that are named', async () => {
    const ramdisk = sandbox.file('ramdisk', new Uint8Array(5000));
    const told = await lines(kernel, '--memory', '64', '--ramdisk', ramdisk);
    expect(told.some((line) => line.startsWith('  64 MiB, direct paging'))).toBe(true);
    expect(told).toContain('  00110000-00111fff  pfn 272    2 pages      initial RAM disk');
  });

  test('a file that does not boot: why, and what to do', async () => {
    expect((await lines(script)).slice(0, 3)).toEqual([
      'DIR/script: a script for /bin/sh',
      'does not boot here: not an ELF file; expected a 32-bit i386 ELF kernel with Xen notes',
      'what to do: a script runs on the host or inside a guest; name a 32-bit Xen PV kernel (ELF or bzImage) or an xl.cfg file',
    ]);
    expect((await lines(sandbox.file('empty', '')))[0]).toBe('DIR/empty: an empty file');
  });

  test('the kernel of a configuration, with what it says; the built-in kernel', async () => {
    const old = sandbox.file(
      'old',
      legacyKernel({ code: new Uint8Array(16), pae: true, features: 'auto_translated_physmap' }),
    );
    const cfg = sandbox.file(
      'guest.cfg',
      `# a guest\nkernel = "${old}"\nmemory = 32\nfeatures = "auto_translated_physmap"\n`,
    );
    const told = await lines(cfg);
    expect(told.slice(0, 3)).toEqual([
      'DIR/guest.cfg: an xl.cfg file; its kernel is',
      'DIR/old: an ELF file, 32-bit i386 executable, "test" for Xen',
      'boots here: domu run DIR/guest.cfg',
    ]);
    expect(told.some((line) => line.startsWith('  32 MiB, translated paging'))).toBe(true);
    expect((await lines('guest-kernel'))[1]).toBe('boots here: domu run guest-kernel');
    const broken = sandbox.file('broken.cfg', 'kernel = "x\n');
    expect(await domu(['info', broken])).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/broken.cfg:1:/),
    });
    // Neither of these is a configuration.
    expect((await lines(sandbox.file('vars.sh', 'A=1\nexport A\n')))[0]).toBe('DIR/vars.sh: text');
    expect((await lines(sandbox.file('vars', 'a = 1\n')))[0]).toBe('DIR/vars: text');
  });

  test('--json is for programs', async () => {
    const report = JSON.parse((await lines(kernel, '--json')).join('\n'));
    expect(report).toMatchObject({
      file: 'DIR/kernel',
      configuration: null,
      kind: 'elf',
      boot: { ok: true },
      xen: { source: 'notes' },
      layout: { memoryMiB: 128, paging: 'direct', pageTableLevels: 3, virtBase: '0x0' },
    });
    expect(report.layout.regions[0]).toEqual({
      ...{ name: 'kernel', pfn: 256, pages: 16, start: '0x100000', end: '0x110000' },
    });
    expect(JSON.parse((await lines(script, '--json')).join('\n'))).toMatchObject({
      kind: 'script',
      boot: { ok: false, why: expect.any(String), advice: expect.any(String) },
      layout: null,
    });
  });

  test('--check is silent or one line', async () => {
    expect(await domu(['info', kernel, '--check'])).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(await domu(['info', script, '--check'])).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringMatching(/^domu: .*script: not an ELF file; .*xl.cfg file\n$/),
    });
  });

  test('a file that is not there; colours in a terminal only', async () => {
    expect(await domu(['info', '/no/file'])).toMatchObject({
      code: 2,
      stderr: 'domu: /no/file cannot be read (no such file); expected a kernel or an xl.cfg file\n',
    });
    expect((await domu(['info', sandbox.file('plain', testKernel())])).stdout).not.toContain('\x1b');
  });
});
