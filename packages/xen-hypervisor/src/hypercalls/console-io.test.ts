import {
  __HYPERVISOR_console_io,
  CONSOLEIO_read,
  CONSOLEIO_write,
  XEN_EFAULT,
  XEN_EINVAL,
  XEN_ENOSYS,
} from '@domu/xen-abi';
import { afterEach, expect, it } from 'vitest';
import { CallBench, type CallingGuest, DATA } from '../testing.ts';

const bench = new CallBench();
afterEach(() => bench.clear());

function console(): { g: CallingGuest; lines: string[]; write: (text: string) => number } {
  const g = bench.guest();
  const lines: string[] = [];
  g.domain.onConsoleLine = (line) => lines.push(line);
  const write = (text: string): number => {
    g.load(new TextEncoder().encode(text), DATA);
    return g.call(__HYPERVISOR_console_io, CONSOLEIO_write, text.length, DATA);
  };
  return { g, lines, write };
}

it('passes on whole lines, however they were written', () => {
  const { lines, write } = console();
  expect([write('Hel'), write('lo\nwor'), write('ld')]).toEqual([0, 0, 0]);
  expect(lines).toEqual(['Hello']);
  write('\n\n');
  expect(lines).toEqual(['Hello', 'world', '']);
});

it('does not keep an endless line', () => {
  const { g, lines, write } = console();
  for (let i = 0; i < 20; i++) write('x'.repeat(300));
  expect(lines.length).toBe(5);
  expect(g.domain.consoleLine.length).toBeLessThan(1024);
});

it('has nothing to read, and refuses what it does not know', () => {
  const { g } = console();
  const call = (cmd: number, count: number, buffer = DATA): number =>
    g.call(__HYPERVISOR_console_io, cmd, count, buffer);
  expect(call(CONSOLEIO_read, 10)).toBe(0);
  expect(call(2, 10)).toBe(-XEN_ENOSYS);
  expect(call(CONSOLEIO_write, 0x80000000)).toBe(-XEN_EINVAL);
  expect(call(CONSOLEIO_write, 10, 0x400000)).toBe(-XEN_EFAULT);
});
