/** vi on the console, seen on the screen of a terminal without a window. */
import xterm from '@xterm/headless';
import { afterAll, expect, test } from 'vitest';
import { domu, Sandbox } from '../harness.ts';
import { busyboxRoot, fetchedBusybox } from './busybox-world.ts';

const RUN_TIMEOUT_MS = 120_000;
const ROWS = 24;

const sandbox = new Sandbox();
const busybox = fetchedBusybox();
afterAll(() => sandbox.remove());

/** What a terminal shows after some output. */
async function screenOf(output: string): Promise<string[]> {
  const terminal = new xterm.Terminal({ rows: ROWS, cols: 80, allowProposedApi: true });
  await new Promise<void>((done) => terminal.write(output, done));
  const { active } = terminal.buffer;
  return Array.from(
    { length: ROWS },
    (_row, row) => active.getLine(row)?.translateToString().trimEnd() ?? '',
  );
}

test(
  'vi draws its screen, edits and writes',
  async ({ skip }) => {
    const fixture = busybox();
    if (fixture.missing !== undefined) return skip(fixture.missing);
    const init = [
      'seq 1 30 > /tmp/f',
      'stty rows 24 cols 80 < /dev/hvc0',
      'exec setsid -c sh -c "exec < /dev/hvc0 > /dev/hvc0 2>&1; vi /tmp/f; clear; echo; head -n 1 /tmp/f; sleep 1000"',
    ].join('\n');
    const ramdisk = sandbox.file('root.cpio', busyboxRoot(fixture.busybox, init));
    const result = await domu([
      ...[
        'run',
        'guest-kernel',
        '--ramdisk',
        ramdisk,
        '--memory',
        '64',
        '--cmdline',
        'quiet',
        '--timeout',
        '100',
      ],
      ...['--expect', '/tmp/f 1/30', '--type', 'ithree words: \\x1b', '--expect', 'words: '],
      ...['--type', 'G', '--expect', '30/30'],
      ...['--type', ':wq\\n', '--expect', '^three words: 1'],
    ]);
    expect(result).toMatchObject({ code: 0, stderr: '' });
    const screen = await screenOf(result.stdout.slice(0, result.stdout.lastIndexOf('100%') + 4));
    expect(screen.slice(0, 3)).toEqual(['8', '9', '10']);
    expect(screen[22]).toBe('30');
    expect(screen[23]).toContain('/tmp/f [Modified] 30/30 100%');
  },
  RUN_TIMEOUT_MS,
);
