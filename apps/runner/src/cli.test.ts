import { describe, expect, test } from 'vitest';
import { domu, FakeTerminal } from '../test/harness.ts';
import { reportError } from './cli.ts';

describe('domu', () => {
  test('--help lists the commands, help run and run --help explain one', async () => {
    const top = await domu(['--help']);
    expect(top).toMatchObject({ code: 0, stderr: '' });
    expect(top.stdout).toMatch(/^Usage: domu COMMAND \[OPTIONS\]/);
    expect(top.stdout).toMatch(/run GUEST \[OTHER\.\.\.\] \[OPTIONS\] +boot a guest/);
    const run = await domu(['run', '--help']);
    expect(run.code).toBe(0);
    expect(run.stdout).toMatch(/^Usage: domu run GUEST \[OTHER\.\.\.\] \[OPTIONS\]/);
    for (const option of 'kernel ramdisk cmdline memory vcpus disk vif console expect type timeout clock engine stats'.split(
      ' ',
    )) {
      expect(run.stdout).toContain(`--${option} `);
    }
    expect(run.stdout).toMatch(/Exit codes:\n {4}0 /);
    expect((await domu(['help', 'run'])).stdout).toBe(run.stdout);
  });

  test('--version', async () => {
    expect(await domu(['--version'])).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
    });
  });

  test('no command and a wrong one end with 2 and a hint', async () => {
    expect(await domu([])).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringMatching(/^Usage: domu/),
    });
    expect(await domu(['rnu'])).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^domu: unknown command 'rnu' \(Did you mean run\?\)/),
    });
  });

  test('an error of our own is one clear line and the stack, exit code 1', () => {
    const terminal = new FakeTerminal(false);
    expect(reportError(new Error('frame 7: type count below 0'), terminal.io)).toBe(1);
    expect(terminal.errors).toMatch(
      /^domu: internal error, please report it: frame 7: type count below 0\nError: .*\n +at /,
    );
  });
});
