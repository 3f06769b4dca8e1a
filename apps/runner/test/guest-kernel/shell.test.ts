/** busybox as a system: a shell with job control on the console, and files on a disk. */
import { spawnSync } from 'node:child_process';
import { truncateSync } from 'node:fs';
import { afterAll, expect, test } from 'vitest';
import { domu, Sandbox } from '../harness.ts';
import { busyboxRoot, fetchedBusybox } from './busybox-world.ts';

const RUN_TIMEOUT_MS = 120_000;
const DISK_BYTES = 256 << 20;

const sandbox = new Sandbox();
const busybox = fetchedBusybox();
afterAll(() => sandbox.remove());

/** Boots into `init` and types and expects as `script` says. */
async function run(busybox: string, init: string, script: readonly string[], ...options: string[]) {
  const ramdisk = sandbox.file('root.cpio', busyboxRoot(busybox, init));
  const common = ['--ramdisk', ramdisk, '--memory', '64', '--cmdline', 'quiet', '--timeout', '100'];
  return await domu(['run', 'guest-kernel', ...common, ...options, ...script]);
}

const expects = (pattern: string) => ['--expect', pattern];
const types = (text: string) => ['--type', text];

test(
  'a shell on the console has job control and line editing',
  async ({ skip }) => {
    const fixture = busybox();
    if (fixture.missing !== undefined) return skip(fixture.missing);
    const init = 'exec /bin/busybox setsid -c sh -c "exec sh </dev/hvc0 >/dev/hvc0 2>&1" </dev/hvc0';
    const result = await run(fixture.busybox, init, [
      ...expects('# '),
      ...types('sh -c "echo re""ady; sleep 100"\\n'),
      ...expects('^ready'),
      ...types('\\x1a'),
      ...expects('Stopped'),
      ...types('bg; kill %1; wait; echo go""ne\\n'),
      ...expects('^gone'),
      ...types('sh -c "echo star""ted; cat"\\n'),
      ...expects('^started'),
      ...types('echoed\\n'),
      ...expects('^echoed\\r?$[^]*^echoed'),
      ...types('\\x03'),
      ...expects('# '),
      ...types('exitX\\x7f\\x01echo \\x05ed\\n'),
      ...expects('^exited'),
      ...types('cat < /dev/tty & usleep 200000; jobs\\n'),
      ...expects('Stopped \\(tty input\\)'),
    ]);
    expect(result).toMatchObject({ code: 0, stderr: '' });
  },
  RUN_TIMEOUT_MS,
);

test(
  'an ext2 disk is mounted, written, unmounted, and e2fsck finds nothing',
  async ({ skip }) => {
    const fixture = busybox();
    if (fixture.missing !== undefined) return skip(fixture.missing);
    const disk = sandbox.file('disk.img', '');
    truncateSync(disk, DISK_BYTES);
    const tool = (name: string, ...args: string[]) =>
      spawnSync(name, args, {
        encoding: 'utf8',
        env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` },
      });
    expect(tool('mke2fs', '-q', '-F', '-t', 'ext2', disk).status).toBe(0);
    const init = [
      'mount -t ext2 /dev/xvda /mnt',
      'mkdir -p /mnt/a/b; seq 1 5000 > /mnt/a/b/numbers; ln -s b/numbers /mnt/a/link',
      'dd if=/dev/zero of=/mnt/zero bs=1M count=40; sha1sum < /bin/busybox > /tmp/sum; cp /bin/busybox /mnt/a',
      'sync; dd if=/mnt/a/busybox bs=64k | sha1sum | cmp - /tmp/sum && echo same sum; rm /mnt/zero; df /mnt',
      'umount /mnt; mount -t ext2 /dev/xvda /mnt; md5sum < /mnt/a/link',
      '/bin/busybox poweroff -f',
    ].join('\n');
    const result = await run(fixture.busybox, init, [], '--disk', `${disk},raw,xvda,w`);
    expect(result).toMatchObject({ code: 0 });
    expect(result.stdout).toContain('a5a208cd26b07cadade3450fe14d1d93');
    expect(result.stdout).toContain('same sum');
    const check = tool('e2fsck', '-fn', disk);
    expect(check.stdout + check.status).toMatch(/0$/);
  },
  RUN_TIMEOUT_MS,
);

test(
  'smaps tells what is in memory, and what of it others hold',
  async ({ skip }) => {
    const fixture = busybox();
    if (fixture.missing !== undefined) return skip(fixture.missing);
    const sum = (name: string) => `awk '/^${name}:/ { n += $2 } END { print n + 0 }' /proc/1/smaps`;
    const init = [
      `echo rss $(($(awk '/VmRSS/ { print $2 }' /proc/1/status) - $(${sum('Rss')})))`,
      `echo parts $(($(${sum('Rss')}) - $(${sum('Private_Dirty')}) - $(${sum('Shared_Clean')}) - $(${sum('Shared_Dirty')})))`,
      // A child holds what its parent held; the program's file is nobody's own.
      `sleep 60 & usleep 100000; echo some $(($(${sum('Shared_Clean')}) > 100)) $(($(${sum('Pss')}) < $(${sum('Rss')}))) $(($(${sum('Rss')}) < $(${sum('Size')})))`,
      'poweroff -f',
    ];
    const result = await run(fixture.busybox, init.join('\n'), []);
    expect(result).toMatchObject({ code: 0, stderr: '' });
    for (const line of ['rss 0', 'parts 0', 'some 1 1 1']) expect(result.stdout).toContain(`${line}\r\n`);
  },
  RUN_TIMEOUT_MS,
);
