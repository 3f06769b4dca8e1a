import { readFileSync, statSync } from 'node:fs';
import { afterAll, describe, expect, test } from 'vitest';
import { ASK, domu, guestKernel, HELLO, Sandbox } from '../../test/harness.ts';
import { TERMINAL_RESET } from '../terminal/screen.ts';

const sandbox = new Sandbox();
afterAll(() => sandbox.remove());
const hello = sandbox.file('hello', guestKernel(HELLO));
const ask = sandbox.file('ask', guestKernel(ASK));
const spin = sandbox.file('spin', guestKernel('jmp main'));
const reboot = sandbox.file(
  'reboot',
  guestKernel('mov esi, offset text\n call print\n mov eax, 1\n jmp shutdown\ntext: .asciz "again "'),
);
const crash = sandbox.file('crash', guestKernel('mov eax, 0x12345678\n ud2'));

describe('domu run', () => {
  test('boots a kernel, shows its console and ends with the guest', async () => {
    expect(await domu(['run', hello])).toEqual({ code: 0, stdout: 'hello, world\r\n', stderr: '' });
  });

  test('boots what a configuration file describes', async () => {
    const cfg = sandbox.file(
      'hello.cfg',
      `name = "hello"\nkernel = "${hello}"\nmemory = 16\ncolour = "red"\nvif = [ '' ]\n`,
    );
    const result = await domu(['run', cfg]);
    expect(result).toMatchObject({ code: 0, stdout: 'hello, world\r\n' });
    expect(result.stderr).toBe(`domu: warning: ${cfg}:4:10: colour: not supported here; ignored\n`);
  });

  test('--expect and --type are played in order, then the run ends with 0', async () => {
    const result = await domu([
      'run',
      ask,
      '--expect',
      'name\\?',
      '--type',
      'me\\n',
      '--expect',
      'welcome',
      '--timeout',
      '20',
    ]);
    expect(result).toMatchObject({ code: 0, stderr: '' });
    expect(result.stdout).toMatch(/^name\? welcome/);
  });

  test('under the virtual clock two runs of a script retire the same instructions', async () => {
    const runs = [1, 2].map(async (n) => {
      const file = sandbox.path(`stats${n}.json`);
      const script = ['--expect', 'name', '--type', 'x\\n', '--expect', 'welcome'];
      expect((await domu(['run', ask, '--clock', 'virtual', '--stats', file, ...script])).code).toBe(0);
      return JSON.parse(readFileSync(file, 'utf8'));
    });
    const [first, second] = await Promise.all(runs);
    expect(first.instructionsRetired).toBeGreaterThan(0);
    expect(second.instructionsRetired).toBe(first.instructionsRetired);
    expect(second.guestSeconds).toBe(first.guestSeconds);
  });

  test('--stats counts what happened', async () => {
    const file = sandbox.path('stats.json');
    await domu(['run', hello, '--memory', '32', '--stats', file]);
    const stats = JSON.parse(readFileSync(file, 'utf8'));
    expect(stats).toMatchObject({
      liveGrants: 0,
      livePorts: 0,
      exitReason: 'poweroff',
      exitCode: 0,
      clock: 'host',
      engine: 'interpreter',
      memoryMiB: 32,
      hypercalls: { event_channel_op: 1, sched_op: 1 },
      traps: {},
    });
    for (const key of ['wallSeconds', 'guestSeconds', 'instructionsRetired', 'peakResidentBytes']) {
      expect(stats[key]).toBeGreaterThan(0);
    }
  });

  test('a guest that ends while the script waits gives 124 and says what was missing', async () => {
    const result = await domu(['run', hello, '--expect', 'goodbye']);
    expect(result.code).toBe(124);
    expect(result.stderr).toBe('domu: the guest ended (poweroff) before --expect goodbye matched\n');
  });

  test('a guest that never ends is stopped by --timeout with 124', async () => {
    const result = await domu(['run', spin, '--timeout', '0.3', '--expect', 'x']);
    expect(result).toMatchObject({
      code: 124,
      stderr: 'domu: timed out after 0.3 s, waiting for --expect x\n',
    });
  });

  test('a crash gives 3, with reason, registers and a stack trace, and no JavaScript', async () => {
    const result = await domu(['run', crash]);
    expect(result.code).toBe(3);
    expect(result.stderr).toMatch(/^domu: the guest crashed: .+\nvcpu 0 registers:\n {2}eip e019:0010/);
    expect(result.stderr).toMatch(/eax 12345678/);
    expect(result.stderr).toMatch(/stack trace:\n {2}\[<0010/);
    expect(result.stderr).not.toMatch(/\.ts:|node:/);
  });

  test('a guest that calls itself crashed gives 3, too', async () => {
    const panic = sandbox.file('panic', guestKernel('mov eax, 3\n jmp shutdown'));
    const result = await domu(['run', panic]);
    expect(result.code).toBe(3);
    expect(result.stderr).toMatch(/^domu: the guest crashed: it shut down as crashed\nvcpu 0 registers:/);
  });

  test('a crash report ends with what the guest told Xen', async () => {
    const source = `mov eax, 18\n xor ebx, ebx\n mov ecx, 7\n mov edx, offset text\n int 0x82\n ud2\ntext: .ascii "dying!\\n"`;
    const result = await domu(['run', sandbox.file('dying', guestKernel(source))]);
    expect(result.code).toBe(3);
    expect(result.stderr).toMatch(/last lines on Xen's console:\n {2}dying!\n$/);
  });

  test('a reboot restarts the guest, unless on_reboot says destroy: then 4', async () => {
    const restarts = await domu(['run', reboot, '--expect', 'again again again', '--timeout', '20']);
    expect(restarts.code).toBe(0);
    const cfg = sandbox.file('reboot.cfg', `kernel = "${reboot}"\non_reboot = "destroy"`);
    const destroyed = await domu(['run', cfg]);
    expect(destroyed).toEqual({
      code: 4,
      stdout: 'again ',
      stderr: 'domu: the guest asked to reboot, and on_reboot is "destroy"\n',
    });
  });

  test('--console none is silent, but the script sees the output; a file gets it', async () => {
    expect(await domu(['run', hello, '--console', 'none', '--expect', 'world'])).toEqual({
      code: 0,
      stdout: '',
      stderr: '',
    });
    const log = sandbox.path('console.log');
    expect(await domu(['run', hello, '--console', log])).toMatchObject({ code: 0, stdout: '' });
    expect(readFileSync(log, 'utf8')).toBe('hello, world\r\n');
  });

  test('in a terminal: raw mode, keys go to the guest, Ctrl-] leaves', async () => {
    let raw = false;
    const answered = await domu(['run', ask], {
      terminal: true,
      drive: (terminal) => {
        terminal.onOutput = (output) => {
          raw ||= terminal.raw;
          if (output === 'name? ') terminal.type('me\r');
        };
      },
    });
    expect(answered).toMatchObject({ code: 0, stdout: `name? welcome\r\n${TERMINAL_RESET}` });
    expect(raw).toBe(true);
    const left = await domu(['run', spin], { terminal: true, drive: (terminal) => terminal.type('\x1d') });
    expect(left.code).toBe(0);
    expect(left.stderr).toMatch(/booting spin with 128 MiB; Ctrl-\] leaves/);
  });

  test('in a terminal: colours and a hidden cursor do not outlive the guest, nor does an unfinished line', async () => {
    const colourful = guestKernel(
      'mov esi, offset text\n call print\n xor eax, eax\n jmp shutdown\ntext: .asciz "> "',
    );
    const result = await domu(['run', sandbox.file('colourful', colourful)], { terminal: true });
    expect(result.stdout).toBe(`> ${TERMINAL_RESET}\n`);
  });

  test('piped input goes to the guest as it is; its end does not end the guest', async () => {
    const result = await domu(['run', ask], {
      drive: (terminal) => {
        terminal.type('a\x1db\r');
        terminal.endInput();
      },
    });
    expect(result).toMatchObject({ code: 0, stdout: 'name? welcome\r\n' });
  });

  test('a signal ends the run with 128 + its number', async () => {
    const result = await domu(['run', spin], {
      drive: (terminal) => setTimeout(() => terminal.interrupt(), 200),
    });
    expect(result.code).toBe(130);
  });

  test('on_crash = "coredump-destroy" leaves a core dump, "coredump-restart" goes on after it', async () => {
    const panic = sandbox.file('panics', guestKernel('mov eax, 3\n jmp shutdown'));
    const core = sandbox.path('panic.core');
    const cfg = sandbox.file('panic.cfg', `kernel = "${panic}"\nmemory = 8\non_crash = "coredump-destroy"`);
    const result = await domu(['run', cfg, '--core', core]);
    expect(result.code).toBe(3);
    expect(result.stderr).toContain(`domu: core dumped to ${core}\n`);
    const dump = readFileSync(core);
    expect(dump.subarray(0, 5)).toEqual(Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2]));
    expect(dump.length).toBeGreaterThan(8 << 20);
    expect(statSync(core).mode & 0o777).toBe(0o600);

    const restarting = sandbox.file(
      'restart.cfg',
      `kernel = "${panic}"\nmemory = 8\non_crash = "coredump-restart"`,
    );
    const lost = sandbox.path('no/such/directory');
    const restarted = await domu(['run', restarting, '--core', lost, '--timeout', '0.5']);
    expect(restarted.code).toBe(124);
    expect(restarted.stderr).toContain(`domu: no core dump: ${lost} cannot be written (ENOENT)\n`);
    expect(restarted.stderr.split('the guest crashed').length).toBeGreaterThan(2);
  });

  test('the first signal asks a guest that can be asked to power off; the second ends it', async () => {
    const polite = sandbox.file('polite', guestKernel(POLITE('xor eax, eax\n jmp shutdown')));
    const asked = await domu(['run', polite], {
      drive: (terminal) => {
        terminal.onOutput = (output) => output.endsWith('ready') && terminal.interrupt();
      },
    });
    expect(asked).toEqual({
      code: 0,
      stdout: 'ready',
      stderr: 'domu: asked the guest to power off; the next signal stops it at once\n',
    });
    const deaf = sandbox.file('deaf', guestKernel(POLITE('mov esi, offset heard\n call print\n 3: jmp 3b')));
    const stopped = await domu(['run', deaf], {
      drive: (terminal) => {
        terminal.onOutput = () => terminal.interrupt();
      },
    });
    expect(stopped.code).toBe(130);
    expect(stopped.stdout).toBe('readyheard');
  });
});

/** Says in XenStore that it can be asked to power off, and does `then` when it is asked. It counts bytes of answers. */
const POLITE = (then: string): string => `
    mov esi, offset requests
    lea edi, [ebp+0x1000]
    mov ecx, offset end
    sub ecx, esi
    mov [edi+2052], ecx
    rep movsb
    lea edi, [ebp+0x2000]
    mov eax, 32
    mov ebx, 4
    lea ecx, [ebp+48]
    int 0x82
    mov ecx, 73                 # two times OK, one watch event
    call answers
    mov esi, offset ready
    call print
    mov ecx, 74
    call answers
    ${then}
answers:
    mov eax, 29
    xor ebx, ebx
    int 0x82
    cmp [ebp+0x1000+2060], ecx
    jb answers
    ret
ready: .asciz "ready"
heard: .asciz "heard"
requests:
    .long 11, 0, 0, 26          # XS_WRITE
    .asciz "control/feature-poweroff"
    .ascii "1"
    .long 4, 0, 0, 19           # XS_WATCH
    .asciz "control/shutdown", "t"
end:
`;
