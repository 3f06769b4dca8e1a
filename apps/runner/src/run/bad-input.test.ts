import { chmodSync, existsSync } from 'node:fs';
import { buildElf, testKernel } from '@domu/testkit';
import { XEN_ELFNOTE_FEATURES } from '@domu/xen-abi';
import { afterAll, describe, expect, test } from 'vitest';
import { domu, guestKernel, HELLO, Sandbox } from '../../test/harness.ts';

const sandbox = new Sandbox();
afterAll(() => sandbox.remove());
/** Debian's user with that name; any user without rights will do. */
const NOBODY = 65534;
const kernelBytes = guestKernel(HELLO);
const hello = sandbox.file('hello', kernelBytes);
const cfg = (text: string): string => sandbox.file('bad.cfg', text);
const patched = (at: number, value: number): Uint8Array => kernelBytes.slice().fill(value, at, at + 1);

async function refused(...args: string[]): Promise<string> {
  const result = await domu(['run', ...args]);
  expect(result.code).toBe(2);
  expect(result.stdout).toBe('');
  expect(result.stderr.split('\n')).toHaveLength(2);
  return result.stderr.replaceAll(sandbox.directory, 'DIR').trimEnd();
}

/** @returns whether files can be closed to this process; root is let in everywhere until it is somebody else */
function withoutPrivileges(action: () => Promise<void>): Promise<void> {
  const { getuid, seteuid } = process;
  if (!getuid || !seteuid || getuid() !== 0) return action();
  chmodSync(sandbox.directory, 0o755);
  seteuid(NOBODY);
  return action().finally(() => seteuid(0));
}

describe('each kind of bad input names the file, the key and what was expected', () => {
  const image = (bytes: Uint8Array | string): string => sandbox.file('image', bytes);
  const noNotes = buildElf({ segments: [{ paddr: 0, bytes: new Uint8Array(16) }] });
  const greedy = testKernel([{ type: XEN_ELFNOTE_FEATURES, desc: '!supervisor_mode_kernel' }]);
  const kernels = [
    { kind: 'not an ELF', bytes: 'MZ\0\0', says: 'not an ELF file; expected a 32-bit' },
    { kind: 'a 64-bit ELF', bytes: patched(4, 2), says: 'a 64-bit ELF file; expected a 32-bit' },
    {
      kind: 'no Xen notes',
      bytes: noNotes,
      says: 'HVM or bare metal cannot boot here; expected a Xen PV kernel',
    },
    {
      kind: 'a feature that is not offered',
      bytes: greedy,
      says: 'requires supervisor_mode_kernel; expected ',
    },
    {
      kind: 'truncated',
      bytes: kernelBytes.subarray(0, 400),
      says: 'truncated: the file ends at 0x190; expected segment 0',
    },
  ];
  test.for(kernels)('kernel: $kind', async ({ bytes, says }) => {
    const message = await refused(cfg(`name = "x"\nkernel = "${image(bytes)}"`));
    expect(message).toMatch(/^domu: DIR\/bad\.cfg:2:10: kernel: DIR\/image: /);
    expect(message).toContain(says);
    expect(message).toMatch(/; expected /);
  });

  const settings = [
    {
      kind: 'kernel larger than memory',
      line: 'memory = 1',
      says: 'memory: .*/hello: .* expected at least 4 MiB',
    },
    { kind: 'memory out of range', line: 'memory = 5000', says: 'memory: "5000" .*expected 1 to 3072' },
    { kind: 'unknown syntax', line: 'disk = [ "a" "b" ]', says: 'expected ' },
    {
      kind: 'missing disk',
      line: 'disk = [ "/no/disk,raw,xvda,r" ]',
      says: 'disk: /no/disk .*no such file.*expected',
    },
  ];
  test.for(settings)('setting: $kind', async ({ line, says }) => {
    const message = await refused(cfg(`kernel = "${hello}"\n${line}`));
    expect(message).toMatch(/^domu: DIR\/bad\.cfg:2:\d+: /);
    expect(message).toMatch(new RegExp(says));
  });

  test('setting: unreadable disk', async () => {
    const disk = image(new Uint8Array(512));
    const guest = cfg(`kernel = "${hello}"\ndisk = [ "${disk},raw,xvda,r" ]`);
    chmodSync(disk, 0);
    await withoutPrivileges(async () => {
      expect(await refused(guest)).toBe(
        'domu: DIR/bad.cfg:2:10: disk: DIR/image cannot be read (permission denied); expected a raw disk image',
      );
    });
    chmodSync(disk, 0o600);
  });
});

describe('bad input ends with one line and exit code 2', () => {
  test('kernels', async () => {
    const kernel = (bytes: Uint8Array | string): string => sandbox.file('kernel', bytes);
    expect(await refused(sandbox.path('nothing'))).toBe(
      'domu: DIR/nothing cannot be read (no such file); expected an xl.cfg file or a kernel',
    );
    expect(await refused(sandbox.directory)).toMatch(/^domu: DIR cannot be read \(it is a directory\)/);
    expect(await refused(kernel(''))).toBe(
      'domu: DIR/kernel: an empty file; expected an xl.cfg file or a kernel',
    );
    expect(await refused(kernel(Uint8Array.of(1, 0, 2)))).toMatch(
      /^domu: DIR\/kernel: not an ELF file; expected a 32-bit/,
    );
    expect(await refused(kernel(patched(4, 2)))).toMatch(
      /^domu: DIR\/kernel: a 64-bit ELF file; expected a 32-bit/,
    );
    expect(await refused(kernel(patched(18, 40)))).toMatch(/machine type 40, not for i386/);
    expect(await refused(kernel(kernelBytes.subarray(0, 400)))).toMatch(
      /^domu: DIR\/kernel: truncated: the file ends at 0x190; expected segment 0/,
    );
    const plain = buildElf({ segments: [{ paddr: 0, bytes: new Uint8Array(16) }] });
    expect(await refused(kernel(plain))).toMatch(/without Xen notes .* HVM or bare metal cannot boot here/);
  });

  test('memory', async () => {
    expect(await refused(hello, '--memory', '1')).toBe(
      'domu: --memory: DIR/hello: 1 MiB are too little for the kernel; expected at least 4 MiB',
    );
    expect(await refused(cfg(`kernel="${hello}"\nmemory=2`))).toMatch(
      /^domu: DIR\/bad.cfg:2:8: memory: DIR\/hello: 2 MiB are too little/,
    );
    for (const memory of ['0', '3073', '-1', 'much', '']) {
      expect(await refused(hello, `--memory=${memory}`)).toMatch(
        /^domu: --memory: .*; expected 1 to 3072 MiB$/,
      );
    }
  });

  test('configuration files', async () => {
    expect(await refused(cfg('name = "x"\nmemory 128'))).toBe(
      'domu: DIR/bad.cfg:2:8: unexpected "128"; expected "=" or "+=" after "memory"',
    );
    expect(await refused(cfg('name = "x"'))).toBe(
      'domu: DIR/bad.cfg: no kernel; expected kernel = "FILE" or --kernel FILE',
    );
    expect(await refused(cfg('kernel = "/no/such/kernel"'))).toBe(
      'domu: DIR/bad.cfg:1:10: kernel: /no/such/kernel cannot be read (no such file); expected a kernel file',
    );
    expect(await refused(cfg(`kernel = "${hello}"\nramdisk = "/no/initrd"`))).toMatch(
      /bad.cfg:2:11: ramdisk: \/no\/initrd cannot be read/,
    );
    expect(await refused(cfg(`kernel = "${hello}"\nextra = "${'x'.repeat(1024)}"`))).toMatch(
      /extra: 1024 bytes are too long; expected at most 1023/,
    );
  });

  test('disks', async () => {
    expect(await refused(hello, '--disk', '/no/disk,raw,xvda,r')).toBe(
      'domu: --disk: /no/disk cannot be read (no such file); expected a raw disk image',
    );
    expect(await refused(cfg(`kernel = "${hello}"\ndisk = [ "/no/disk,,xvda" ]`))).toBe(
      'domu: DIR/bad.cfg:2:10: disk: /no/disk cannot be opened for writing (no such file); expected a raw disk image',
    );
    expect(await refused(hello, '--disk', `${sandbox.directory},raw,xvda,r`)).toMatch(/not a regular file/);
    expect(await refused(hello, '--disk', `${sandbox.file('tiny', 'x')},raw,xvda,r`)).toMatch(
      /no sector of 512 bytes/,
    );
    expect(await refused(hello, '--disk', 'x,vhd,xvda')).toMatch(
      /^domu: --disk "x,vhd,xvda": format vhd is not supported/,
    );
    const image = sandbox.file('disk', new Uint8Array(512));
    expect(await refused(hello, '--disk', `${image},raw,xvda`, '--disk', `${image},raw,xvda`)).toMatch(
      /xvda is used by another disk/,
    );
  });

  test('options', async () => {
    expect(await refused(hello, '--engine', 'steam')).toMatch(/Allowed choices are interpreter, jit/);
    expect(await refused(hello, '--clock', 'sun')).toMatch(/Allowed choices are host, virtual/);
    expect(await refused(hello, '--bogus')).toMatch(/unknown option '--bogus'/);
    expect(await refused()).toMatch(/missing required argument 'GUEST'/);
    expect(await refused(hello, '/no/other')).toMatch(/^domu: \/no\/other cannot be read/);
    expect(await refused(hello, hello)).toMatch(/hello: the name or UUID of hello is another guest's/);
    expect(await refused(hello, '--expect', '(')).toMatch(/^domu: --expect: /);
    expect(await refused(hello, '--type', '\\q')).toMatch(/^domu: --type: unknown escape/);
    expect(await refused(hello, '--timeout', '0')).toMatch(/^domu: --timeout: "0" is out of range/);
    expect(await refused(hello, '--vcpus', '33')).toMatch(
      /^domu: --vcpus: "33" is out of range; expected 1 to 32/,
    );
    expect(await refused(hello, '--vif', 'mac=1')).toMatch(/^domu: --vif "mac=1": mac "1" is not a unicast/);
    expect(await refused(hello, '--console', '/no/such/dir/log')).toMatch(
      /^domu: --console: .* cannot be written/,
    );
  });

  test('nothing is started: --stats writes no file', async () => {
    const stats = sandbox.path('stats.json');
    await refused(sandbox.path('nothing'), '--stats', stats);
    expect(existsSync(stats)).toBe(false);
    expect(await refused(hello, '--stats', '/no/such/dir/stats')).toMatch(
      /^domu: --stats: .* cannot be written/,
    );
  });
});
