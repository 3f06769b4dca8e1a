import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type CommandResult, domu, FakeTerminal, Sandbox } from '../../test/harness.ts';
import { main } from '../cli.ts';
import { cacheFolder } from './cache.ts';

/** An apt-get that has one package, tells what it is called with, and fails as told. */
const APT = `#!/bin/sh
for arg; do case "$arg" in
  Dir::Cache=*) cache=\${arg#Dir::Cache=} ;;
  Dir::State::Lists=*) lists=\${arg#Dir::State::Lists=} ;;
  update|--print-uris|--download-only) what=$arg ;;
esac; done
echo "$what" >> "$FAKE/calls"
case "$what" in
update)
  [ -e "$FAKE/offline" ] && { echo "E: Failed to fetch http://x  Could not connect" >&2; exit 100; }
  touch "$lists/x_Packages" ;;
--print-uris)
  [ -e "$lists/x_Packages" ] || { echo "E: Unable to locate package busybox-static" >&2; exit 100; }
  [ -e "$FAKE/misspelt" ] && { echo "E: Unable to locate package busybox-sttic" >&2; exit 100; }
  echo "'http://x/busybox-static_1_i386.deb' busybox-static_1_i386.deb $(cat "$FAKE/size") SHA256:00" ;;
--download-only)
  echo "pmstatus:dpkg-exec:0:x" >&3
  echo "dlstatus:1:50.0:Retrieving file 1 of 1" >&3
  [ -e "$FAKE/slow" ] && exec sleep 20
  [ -e "$FAKE/broken" ] && { echo "E: Hash Sum mismatch" >&2; exit 100; }
  echo archive > "$cache/archives/busybox-static_1_i386.deb" ;;
esac
`;
const DPKG = `#!/bin/sh
[ "$(cat "$2")" = archive ] || { echo "not an archive" >&2; exit 2; }
mkdir -p "$3/bin" && echo program > "$3/bin/busybox"
`;

const sandbox = new Sandbox();
const { PATH } = process.env;
let cache: string;
let count = 0;

beforeEach(() => {
  const fake = sandbox.path(`fake${count}`);
  cache = sandbox.path(`cache${count++}`);
  mkdirSync(fake);
  for (const [name, text] of [
    ['apt-get', APT],
    ['dpkg-deb', DPKG],
  ])
    writeFileSync(join(fake, name), text, { mode: 0o755 });
  writeFileSync(join(fake, 'size'), '1234');
  process.env.FAKE = fake;
  process.env.PATH = `${fake}:${PATH}`;
});
afterEach(() => {
  process.env.PATH = PATH;
  delete process.env.FAKE;
});
afterAll(() => sandbox.remove());

const fetch = (...more: string[]): Promise<CommandResult> =>
  domu(['fetch', 'busybox', '--cache', cache, ...more]);
const fake = (name: string): string => join(process.env.FAKE ?? '', name);
const calls = (): string[] => readFileSync(fake('calls'), 'utf8').trim().split('\n');

describe('domu fetch', () => {
  test('makes what was asked for, prints where it is, and checks it the next time', async () => {
    const root = join(cache, 'busybox');
    expect(await fetch()).toEqual({ code: 0, stdout: `${root}\n`, stderr: '' });
    expect(calls()).toEqual(['--print-uris', 'update', '--print-uris', '--download-only']);
    expect(readFileSync(join(root, 'init'), 'utf8')).toMatch(/^#!\/bin\/busybox sh\n/);
    expect(await fetch()).toMatchObject({ code: 0, stdout: `${root}\n` });
    expect(calls()).toHaveLength(4);
    writeFileSync(join(root, 'bin/busybox'), 'something else');
    expect((await fetch()).code).toBe(0);
    expect([readFileSync(join(root, 'bin/busybox'), 'utf8'), calls().length]).toEqual(['program\n', 6]);
    await fetch('--force');
    expect(calls()).toHaveLength(8);
  });

  test('a terminal sees how far it is; a pipe sees nothing', async () => {
    const terminal = new FakeTerminal(true);
    Object.assign(terminal.io.stderr, { isTTY: true, columns: 80 });
    expect(await main(['fetch', 'busybox', '--cache', cache], terminal.io)).toBe(0);
    expect(terminal.errors).toContain('domu: fetching 1 package (0.0 MiB) [############............] 50 %');
    expect(terminal.errors.endsWith('\r\x1b[K')).toBe(true);
    expect(terminal.output).toBe(`${join(cache, 'busybox')}\n`);
  });

  test('what goes wrong is one line that says what to do, and nothing half-made stays', async () => {
    const cases: [string, RegExp][] = [
      [
        'offline',
        /Failed to fetch http:\/\/x {2}Could not connect; see whether the network is there .* run it again/,
      ],
      ['misspelt', /Unable to locate package busybox-sttic; the sources of this system .* for i386/],
      ['broken', /Hash Sum mismatch; .*what has been fetched is kept/],
    ];
    for (const [what, says] of cases) {
      writeFileSync(fake(what), '');
      const { code, stdout, stderr } = await fetch();
      expect({ code, stdout, lines: stderr.split('\n').length }).toEqual({ code: 2, stdout: '', lines: 2 });
      expect(stderr).toMatch(says);
      rmSync(fake(what));
      expect(existsSync(join(cache, 'busybox'))).toBe(false);
    }
    writeFileSync(fake('size'), String(2 ** 31));
    expect((await fetch()).stderr).toMatch(/2048 MiB to download; expected at most 1024 MiB/);
    writeFileSync(fake('size'), '1');
    expect((await fetch()).code).toBe(0);
  });

  test('it can be interrupted', async () => {
    writeFileSync(fake('slow'), '');
    const terminal = new FakeTerminal(false);
    const running = main(['fetch', 'busybox', '--cache', cache], terminal.io);
    const started = (): boolean => existsSync(fake('calls')) && calls().includes('--download-only');
    while (!started()) await new Promise((resolve) => setTimeout(resolve, 20));
    terminal.interrupt();
    expect(await running).toBe(2);
    expect(terminal.errors).toBe('domu: interrupted; run it again to go on\n');
  });

  test('wrong use', async () => {
    expect((await fetch('--packages', 'less')).stderr).toMatch(
      /^domu: --packages: busybox is made of packages of its own/,
    );
    const debian = (packages: string): Promise<CommandResult> =>
      domu(['fetch', 'debian-rootfs', '--cache', cache, '--packages', packages]);
    expect((await debian('-o,x')).stderr).toMatch(/^domu: --packages: "-o" is no name of a package/);
    expect((await domu(['fetch', 'windows'])).stderr).toMatch(
      /Allowed choices are grub, busybox, debian-rootfs/,
    );
    process.env.PATH = sandbox.directory;
    const own = sandbox.path('no-apt');
    // The system's own apt-get may be in sbin's neighbourhood only on odd systems.
    expect(await domu(['fetch', 'busybox', '--cache', own])).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^domu: apt-get is not there; domu fetch needs apt/),
    });
    expect(await domu(['fetch', 'busybox', '--cache', sandbox.file('file', '')])).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/cannot be made \((EEXIST|ENOTDIR)\); name another folder with --cache/),
    });
  });

  test('where it is kept', () => {
    expect(cacheFolder('/x', {})).toBe('/x');
    expect(cacheFolder(null, { XDG_CACHE_HOME: '/c' })).toBe('/c/domu');
    expect(cacheFolder(null, {})).toMatch(/\/\.cache\/domu$/);
  });
});
