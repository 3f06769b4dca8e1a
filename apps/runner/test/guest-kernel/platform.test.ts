import { afterAll, expect, test } from 'vitest';
import { domu, Sandbox } from '../harness.ts';

const sandbox = new Sandbox();
afterAll(() => sandbox.remove());

/** Boots the user space that comes with the kernel, and plays a script at its prompt. */
const shell = (script: readonly string[], ...more: readonly string[]) =>
  domu([
    'run',
    'guest-kernel',
    '--memory',
    '32',
    '--timeout',
    '50',
    '--clock',
    'virtual',
    ...more,
    '--expect',
    '# $',
    ...script,
  ]);

test('the shell runs pipes and the machine powers off when it is told to', async () => {
  const result = await shell(['--type', 'echo one two | wc -w; poweroff\\n', '--expect', 'Power down']);
  expect(result.stdout).toMatch(/\s2\r\n/);
  expect(result.code).toBe(0);
});

test('a stopped job, a continued job, and ^C', async () => {
  const result = await shell([
    ...['--type', 'sh -c "echo rea""dy; sleep 100"\\n', '--expect', 'ready\\r\\n', '--type', '\\x1a'],
    ...['--expect', '# $', '--type', 'fg\\n', '--expect', 'fg\\r\\n[^#]*\\r\\n', '--type', '\\x03'],
    ...['--expect', '# $', '--type', 'poweroff\\n', '--expect', 'Power down'],
  ]);
  expect(result.stderr).toBe('');
});

test('the toolstack powers the guest off', async () => {
  const result = await domu(
    ['run', 'guest-kernel', '--memory', '32', '--timeout', '50', '--clock', 'virtual'],
    {
      drive: (terminal) => {
        terminal.onOutput = (output) => output.endsWith('# ') && terminal.interrupt();
      },
    },
  );
  expect(result.stderr).toContain('asked the guest to power off');
  expect(result.stdout).toContain('reboot: Power down');
  expect(result.code).toBe(0);
});

test('reboot starts the guest again', async () => {
  const cfg = sandbox.file(
    'reboot.cfg',
    'name = "again"\nkernel = "guest-kernel"\nmemory = 32\non_reboot = "restart"',
  );
  const script = ['--expect', '# $', '--type', 'reboot\\n', '--expect', 'Restarting', '--expect', '# $'];
  const result = await domu(['run', cfg, '--timeout', '50', '--clock', 'virtual', ...script]);
  expect(result.stdout.split('domu guest-kernel:')).toHaveLength(3);
  expect(result.code).toBe(0);
});

test('a disk keeps what is written to it', async () => {
  const disk = sandbox.file('disk.img', new Uint8Array(1 << 20));
  const attached = ['--disk', `${disk},raw,xvda,w`];
  const write = 'echo kept > /tmp/x; dd if=/tmp/x of=/dev/xvda; sync; poweroff\\n';
  expect((await shell(['--type', write, '--expect', 'Power down'], ...attached)).code).toBe(0);
  const read = 'dd if=/dev/xvda of=/tmp/y bs=4 count=1; cat /tmp/y; poweroff\\n';
  const result = await shell(['--type', read, '--expect', 'Power down'], ...attached);
  expect(result.stdout).toContain('\nkept');
});
