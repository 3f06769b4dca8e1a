import { spawn, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { guestKernel, HELLO, Sandbox } from './harness.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url));

const sandbox = new Sandbox();
afterAll(() => sandbox.remove());
const hello = sandbox.file('hello', guestKernel(HELLO));
const crash = sandbox.file('crash', guestKernel('ud2'));
const chatty = sandbox.file(
  'chatty',
  guestKernel('mov esi, offset text\n call print\n1: call wait_for_enter\n jmp 1b\ntext: .asciz "ready"'),
);

/** Runs `domu run GUEST` in a terminal of util-linux's `script`; the terminal's settings are printed before and after. */
function inTerminal(guest: string, drive: (output: string, write: (text: string) => void) => void) {
  const domu = `'${process.execPath}' --import tsx --conditions=@domu/source '${MAIN}' run '${guest}'`;
  const shell = `echo "stty=$(stty -g)"; ${domu}; echo "code=$?"; echo "stty=$(stty -g)"`;
  return new Promise<{ output: string; settings: string[] }>((resolve, reject) => {
    const child = spawn('script', ['-qec', shell, '/dev/null'], { cwd: ROOT });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      drive(output, (typed) => child.stdin.write(typed));
    });
    child.on('error', reject);
    child.on('close', () => {
      const settings = [...output.matchAll(/stty=(\S+)/g)].map((match) => match[1]);
      resolve({ output, settings });
    });
  });
}

const hasScript = spawnSync('script', ['--version']).status === 0;

describe('a real terminal has its settings back', () => {
  const ends = [
    { how: 'the guest powers off', guest: hello, typed: '', code: 0 },
    { how: 'the guest crashes', guest: crash, typed: '', code: 3 },
    { how: 'Ctrl-] was pressed', guest: chatty, typed: '\x1d', code: 0 },
  ];
  test.for(ends)('when $how', async ({ guest, typed, code }, { skip }) => {
    if (!hasScript) return skip('needs `script` of util-linux');
    let sent = false;
    const { output, settings } = await inTerminal(guest, (soFar, write) => {
      if (typed === '' || sent || !soFar.includes('ready')) return;
      sent = true;
      write(typed);
    });
    expect(output).toContain(`code=${code}`);
    expect(settings).toHaveLength(2);
    expect(settings[1]).toBe(settings[0]);
  });
});
