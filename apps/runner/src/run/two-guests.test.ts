import { readFileSync } from 'node:fs';
import { testKernel, twoDomains } from '@domu/testkit';
import { afterAll, describe, expect, test } from 'vitest';
import { ASK, domu, guestKernel, HELLO, Sandbox } from '../../test/harness.ts';

const ROUNDS = 300;
const ORIGIN = 0x100000;

const sandbox = new Sandbox();
afterAll(() => sandbox.remove());

/** Two kernels that share memory and signal each other; the toolstack's two ports come before theirs. */
function pair(fifoClient: boolean): { server: string; client: string } {
  const programs = twoDomains({
    origin: ORIGIN,
    serverDomid: 1,
    clientDomid: 2,
    serverPort: 3,
    rounds: ROUNDS,
    fifoClient,
  });
  return {
    server: sandbox.file('server', testKernel([], [...programs.server.bytes])),
    client: sandbox.file('client', testKernel([], [...programs.client.bytes])),
  };
}

describe('several guests on one machine', () => {
  test.each([
    ['2-level', false],
    ['FIFO', true],
  ])(
    'share memory and signal each other (%s events), and leave no grant and no port behind',
    async (_abi, fifo) => {
      const { server, client } = pair(fifo);
      const file = sandbox.path('stats.json');
      const options = ['--clock', 'virtual', '--stats', file, '--timeout', '60'];
      const result = await domu(['run', server, client, '--memory', '16', ...options]);
      expect(result.stderr).toBe('');
      expect(result.code).toBe(0);
      const stats = JSON.parse(readFileSync(file, 'utf8'));
      expect(stats).toMatchObject({ exitReason: 'poweroff', liveGrants: 0, livePorts: 0 });
      expect(stats.hypercalls.grant_table_op).toBeGreaterThan(3 * ROUNDS);
      expect(stats.hypercalls.event_channel_op).toBeGreaterThan(2 * ROUNDS);
    },
  );

  test('the run ends with the last one, and a crash of any is told with its own symbols', async () => {
    const hello = sandbox.file('hello', guestKernel(HELLO));
    const bad = sandbox.file('bad', guestKernel('ud2'));
    const result = await domu(['run', hello, bad, '--timeout', '30']);
    expect(result.code).toBe(3);
    expect(result.stdout).toBe('hello: hello, world\r\n');
    expect(result.stderr).toMatch(/^domu: the guest crashed: /);
    expect((await domu(['run', hello, sandbox.file('hello2', guestKernel(HELLO))])).code).toBe(0);
  });

  test('lines say whose they are, and logs are kept for each', async () => {
    const [first, second] = ['hello', 'hello2'].map((name) => sandbox.file(name, guestKernel(HELLO)));
    const result = await domu(['run', first, second, '--timeout', '30', '--log', sandbox.path('%n.log')]);
    expect(result.code).toBe(0);
    expect(result.stdout.split('\r\n').sort()).toEqual(['', 'hello2: hello, world', 'hello: hello, world']);
    for (const name of ['hello', 'hello2'])
      expect(readFileSync(sandbox.path(`${name}.log`), 'utf8')).toBe('hello, world\r\n');
  });

  test('a terminal shows one of them, types to it, and switches with Ctrl-] and a digit', async () => {
    const guests = ['one', 'two'].map((name) => sandbox.file(name, guestKernel(ASK)));
    const steps: [seen: RegExp, typed: string][] = [
      [/^name\? $/, '\x1d2'],
      [/\[2: two\]\r\nname\? $/, 'x\r'],
      [/\? welcome\r\n$/, '\x1d1'],
      [/\[1: one\]\r\n$/, 'x\r'],
    ];
    const result = await domu(['run', ...guests, '--timeout', '30'], {
      terminal: true,
      drive: (terminal) => {
        terminal.onOutput = (output) => {
          if (steps.length > 0 && steps[0][0].test(output)) {
            const [[, typed]] = steps.splice(0, 1);
            setImmediate(() => terminal.type(typed));
          }
        };
      },
    });
    expect([result.code, steps]).toEqual([0, []]);
    expect(result.stdout).toContain('[1: one]\r\nwelcome\r\n');
  });
});
