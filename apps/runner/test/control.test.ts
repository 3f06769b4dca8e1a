import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { main } from '../src/cli.ts';
import { findMachine } from '../src/control/client.ts';
import { type CommandResult, domu, FakeTerminal, guestKernel, Sandbox } from './harness.ts';

const sandbox = new Sandbox();
/** Says a word on its console and on Xen's, then sleeps. */
const SLEEPER = `
    mov esi, offset ready
    call print
    mov eax, 18
    xor ebx, ebx
    mov ecx, 6
    mov edx, offset note
    int 0x82
    mov eax, 29
    mov ebx, 3
    mov ecx, offset poll
    int 0x82
poll: .long 0, 0, 0, 0
ready: .asciz "ready"
note: .ascii "early\\n"`;
const sleeper = sandbox.file('sleeper', guestKernel(SLEEPER));

beforeAll(() => {
  process.env.DOMU_RUNTIME_DIR = sandbox.path('rt');
});
afterAll(() => {
  delete process.env.DOMU_RUNTIME_DIR;
  sandbox.remove();
});

/** Runs a machine while `use` looks into it. */
async function whileRunning(args: readonly string[], use: () => Promise<void>): Promise<CommandResult> {
  const terminal = new FakeTerminal(false);
  const ready = new Promise<void>((resolve) => {
    terminal.onOutput = (output) => {
      if (output.includes('ready')) resolve();
    };
  });
  const running = main(['run', ...args], terminal.io);
  await ready;
  try {
    await use();
  } finally {
    terminal.interrupt();
  }
  return { code: await running, stdout: terminal.output, stderr: terminal.errors };
}

describe('a running machine', () => {
  test('is listed, and its log and XenStore can be read and written', async () => {
    const run = await whileRunning([sleeper], async () => {
      expect((await domu(['list'])).stdout).toMatch(/ sleeper +1 +128 +1 +running/);
      const [machine] = JSON.parse((await domu(['list', '--json'])).stdout);
      expect(machine).toMatchObject({
        pid: process.pid,
        domains: [{ name: 'sleeper', vcpus: [{ state: 'blocked' }] }],
      });
      const log = (await domu(['dmesg'])).stdout;
      expect(log).toMatch(/^\[ +\d+\.\d{6}\] \(XEN\) d1 sleeper: 128 MiB, 1 vCPU\n\[ .*\] \(d1\) early\n$/);
      expect(JSON.parse((await domu(['dmesg', '--json'])).stdout.split('\n')[1])).toMatchObject({
        number: 1,
        text: '(d1) early',
      });
      expect(await domu(['xenstore', 'read', '/local/domain/1/name', '/local/domain/1/domid'])).toMatchObject(
        {
          code: 0,
          stdout: 'sleeper\n1\n',
        },
      );
      expect((await domu(['xenstore', 'ls', '/local/domain/1/memory'])).stdout).toMatch(
        /^static-max = "131072"\ntarget = "131072"\n/,
      );
      expect((await domu(['xenstore', 'ls'])).stdout).toContain('\n domain = ""\n  1 = ""\n');
      const path = '/local/domain/1/data/word';
      const watch = domu(['xenstore', 'watch', '/local/domain/1/data', '--count', '2']);
      await new Promise((resolve) => setTimeout(resolve, 200));
      expect(await domu(['xenstore', 'write', path, 'a\u001b[2J'])).toEqual({
        code: 0,
        stdout: '',
        stderr: '',
      });
      expect((await domu(['xenstore', 'read', path])).stdout).toBe('a\\x1b[2J\n');
      expect((await domu(['xenstore', 'rm', path])).code).toBe(0);
      expect(await watch).toEqual({
        code: 0,
        stdout: `/local/domain/1/data = ""\n${path} = "a\\x1b[2J"\n${path}\n`,
        stderr: '',
      });
      expect(await domu(['xenstore', 'read', path])).toMatchObject({
        code: 2,
        stderr: `domu: ENOENT: there is no ${path}\n`,
      });
      expect(await domu(['xenstore', 'ls', '/none'])).toMatchObject({ code: 2 });
      expect(await domu(['xenstore', 'write', 'a b', 'x'])).toMatchObject({
        code: 2,
        stderr: expect.stringMatching(/EINVAL/),
      });
    });
    expect(run).toMatchObject({ code: 130, stdout: 'ready', stderr: '' });
    expect(await domu(['dmesg'])).toEqual({
      code: 2,
      stdout: '',
      stderr: 'domu: no machine runs; start one with domu run\n',
    });
  });

  test('dmesg --follow and top end with the machine; top counts', async () => {
    let follow: Promise<CommandResult> | null = null;
    let top: Promise<CommandResult> | null = null;
    await whileRunning([sleeper, '--clock', 'virtual'], async () => {
      follow = domu(['dmesg', '--follow']);
      top = domu(['top', '--interval', '0.05']);
      const once = await domu(['top', '-n', '1', '-d', '0.05']);
      expect(once.stdout).toMatch(/^machine \d+ \(sleeper\) {2}0\.0 s \(virtual clock\) {2}0\.0 Minsn\/s/);
      expect(once.stdout).toMatch(
        /\n {2}1 sleeper +running +128M +0\.0 +0 +0 +0 +0 +0 +0\n {6}vcpu 0 +blocked +0\.0 +0 +0\n/,
      );
      const [counts] = (await domu(['top', '-n', '1', '-d', '0.05', '--json'])).stdout.split('\n');
      expect(JSON.parse(counts)).toMatchObject({
        virtualClock: true,
        domains: [{ vcpus: [{ hypercalls: 3, exits: 3 }] }],
      });
    });
    expect(await follow).toMatchObject({ code: 0, stderr: '', stdout: expect.stringMatching(/early\n/) });
    expect(await top).toMatchObject({ code: 0, stderr: '' });
  });

  test('can be traced for a while, once at a time', async () => {
    const file = sandbox.path('trace.json');
    await whileRunning([sleeper], async () => {
      const first = domu(['trace', file, '--seconds', '0.3']);
      await new Promise((resolve) => setTimeout(resolve, 100));
      expect(await domu(['trace', sandbox.path('other')])).toMatchObject({
        code: 2,
        stderr: 'domu: the machine is being traced already\n',
      });
      expect(await first).toEqual({ code: 0, stdout: '', stderr: '' });
      expect(await domu(['trace', '/no/dir/x'])).toMatchObject({
        code: 2,
        stderr: expect.stringMatching(/ENOENT/),
      });
    });
    const { traceEvents } = JSON.parse(readFileSync(file, 'utf8'));
    expect(traceEvents.some(({ name }: { name: string }) => name === 'blocked')).toBe(true);
  });

  test('--no-control: nobody can look into it', async () => {
    await whileRunning([sleeper, '--no-control'], async () => {
      expect((await domu(['list'])).stdout.split('\n')).toHaveLength(2);
    });
  });

  test('looking does not change what happens under the virtual clock', async () => {
    const busy = sandbox.file(
      'busy',
      guestKernel(`
    mov esi, offset ready
    call print
    mov edx, 60
1:  mov ecx, 200000
2:  dec ecx
    jnz 2b
    push edx
    mov eax, 32
    mov ebx, 4
    lea ecx, [ebp+56]
    int 0x82
    pop edx
    dec edx
    jnz 1b
    xor eax, eax
    jmp shutdown
ready: .asciz "ready"`),
    );
    const trace = async (file: string, look: boolean): Promise<string> => {
      const args = [busy, '--clock', 'virtual', '--trace', sandbox.path(file)];
      const terminal = new FakeTerminal(false);
      const ready = new Promise<void>((resolve) => {
        terminal.onOutput = () => resolve();
      });
      const running = main(['run', ...args], terminal.io);
      await ready;
      let ended = false;
      void running.then(() => {
        ended = true;
      });
      let looks = 0;
      if (look) {
        const { client } = await findMachine(null);
        void client.request('xenstore.watch', { path: '/' }).catch(() => null);
        while (!ended) {
          const all = ['stats', 'dmesg', 'hello'].map((method) => client.request(method).catch(() => null));
          await Promise.all([...all, client.request('xenstore.ls', { path: '/' }).catch(() => null)]);
          looks++;
        }
        client.close();
        expect(looks).toBeGreaterThan(2);
      }
      expect(await running).toBe(0);
      return readFileSync(sandbox.path(file), 'utf8');
    };
    expect(await trace('looked-at', true)).toBe(await trace('alone', false));
  });
});
