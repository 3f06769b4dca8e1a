import { execFileSync } from 'node:child_process';
import { afterAll, describe, expect, test } from 'vitest';
import { domu, Sandbox } from '../../test/harness.ts';

const sandbox = new Sandbox();
afterAll(() => sandbox.remove());

const script = async (shell: string): Promise<string> => {
  const { code, stdout, stderr } = await domu(['completion', shell]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout;
};

describe('domu completion', () => {
  test('bash completes commands, options, their values and files', async () => {
    sandbox.file('boot.cfg', '');
    const file = sandbox.file('completion', await script('bash'));
    const complete = (...words: string[]): string[] => {
      const program = `source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _domu; printf '%s\\n' "\${COMPREPLY[@]}"`;
      const args = ['-c', program, 'bash', file, 'domu', ...words];
      return execFileSync('bash', args, { encoding: 'utf8', cwd: sandbox.directory })
        .split('\n')
        .filter(Boolean);
    };
    expect(complete('i')).toEqual(['info']);
    expect(complete('run', '--eng')).toEqual(['--engine']);
    expect(complete('run', '--engine', '')).toEqual(['interpreter', 'jit']);
    expect(complete('run', 'bo')).toEqual(['boot.cfg']);
    expect(complete('run', 'guest', '--kernel', 'bo')).toEqual(['boot.cfg']);
    expect(complete('run', '--timeout', '')).toEqual([]);
    expect(complete('xenstore', 'w')).toEqual(['write', 'watch']);
    expect(complete('xenstore', 'watch', '--c')).toEqual(['--count']);
    expect(complete('fetch', 'd')).toEqual(['debian-rootfs']);
  });

  test('zsh and fish have all commands and options, with what they say', async () => {
    const zsh = await script('zsh');
    expect(zsh).toMatch(/^#compdef domu\n/);
    expect(zsh).toContain(
      "'*--engine[how instructions run\\: jit compiles hot code to WebAssembly]:value:(interpreter jit)'",
    );
    expect(zsh).toContain('xenstore) _domu_xenstore ;;');
    expect(zsh).toMatch(/_domu_xenstore_ls\(\) \{/);
    const fish = await script('fish');
    expect(fish).toContain("complete -c domu -n 'not __fish_seen_subcommand_from run info");
    expect(fish).toContain("complete -c domu -n '__fish_seen_subcommand_from fetch' -a debian-rootfs");
    expect(fish).toContain("-l engine -x -a 'interpreter jit'");
  });

  test('another shell is refused', async () => {
    expect((await domu(['completion', 'ksh'])).stderr).toMatch(/Allowed choices are bash, zsh, fish/);
  });
});
