import { Terminal } from '@xterm/headless';
import { expect, test } from 'vitest';
import { FakeTerminal } from '../../test/harness.ts';
import type { MachineStats } from '../control/stats.ts';
import { coloursFor } from '../terminal/colours.ts';
import { FullScreen } from '../terminal/full-screen.ts';
import { topTable } from './table.ts';

const { io } = new FakeTerminal(false);
const colours = coloursFor(io.stdout);

function stats(ns: number, n: number): MachineStats {
  return {
    ns,
    virtualClock: false,
    instructions: n * 50_000_000,
    contextSwitches: 10 * n,
    domains: [
      {
        domid: 3,
        name: 'a guest with a very long name',
        state: 'running',
        memoryMiB: 256,
        vcpus: [0, 1].map((id) => ({
          id,
          state: 'running',
          ranNs: n * 250_000_000,
          waitedNs: 0,
          exits: n * 12_345,
          hypercalls: n * 99,
        })),
        disks: [{ vdev: 'xvda', requests: n, readBytes: n * 1_500_000, writtenBytes: 0 }],
        vifs: [
          { name: 'vif0', sentBytes: n * 999, sentPackets: n, receivedBytes: n * 1000, receivedPackets: n },
        ],
      },
    ],
  };
}

test('rates are those between two looks', () => {
  const lines = topTable('7 (x)', stats(1e9, 1), stats(3e9, 3), { columns: 200, colours });
  expect(lines).toEqual([
    'machine 7 (x)  3.0 s (host clock)  50.0 Minsn/s  10 switches/s',
    ' ID NAME            STATE   MEM  CPU% EXIT/s CALL/s READ/s WRIT/s SENT/s RECV/s',
    '  3 a guest with  running  256M  50.0  24.7k    198  1.50M      0    999  1.00k',
    '      vcpu 0      running        25.0  12.3k     99',
    '      vcpu 1      running        25.0  12.3k     99',
  ]);
  expect(topTable('7', stats(1e9, 1), stats(1e9, 1), { columns: 20, colours })[0]).toBe(
    'machine 7  1.0 s (ho',
  );
  expect(topTable('7', stats(1, 1), { ...stats(2, 1), domains: [] }, { columns: 80, colours })[2]).toBe(
    'no guest',
  );
});

test('on a terminal it takes the screen, and gives it back as it was', async () => {
  const screen = new Terminal({ cols: 60, rows: 5, allowProposedApi: true });
  const terminal = new FakeTerminal(true);
  let shown = 0;
  const sync = async (): Promise<string[]> => {
    const { output } = terminal;
    await new Promise<void>((resolve) => screen.write(output.slice(shown), resolve));
    shown = output.length;
    return Array.from(
      { length: 5 },
      (_, i) => screen.buffer.active.getLine(i)?.translateToString(true) ?? '',
    );
  };
  terminal.io.stdout.write('before');
  let left = 0;
  Object.assign(terminal.io.stdout, { columns: 60, rows: 5 });
  const full = new FullScreen(terminal.io, () => left++);
  full.show(['one long line', 'two', 'three', 'four', 'five', 'six']);
  expect(await sync()).toEqual(['one long line', 'two', 'three', 'four', '']);
  full.show(['1']);
  expect(await sync()).toEqual(['1', '', '', '', '']);
  expect(terminal.raw).toBe(true);
  terminal.type('xq');
  await new Promise((resolve) => setImmediate(resolve));
  expect(left).toBe(1);
  full.close();
  expect(await sync()).toEqual(['before', '', '', '', '']);
  expect(terminal.raw).toBe(false);
});
