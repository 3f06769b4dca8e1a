import type { SymbolTable } from '@domu/toolstack';
import { describe, expect, test } from 'vitest';
import { crashText } from './crash-text.ts';
import { describeOutcome, exitCodeOf, type Outcome } from './outcome.ts';

describe('crash report', () => {
  const symbols: SymbolTable = {
    count: 2,
    find: () => null,
    lookup(address) {
      if (address >= 0xc0100000 && address < 0xc0100100)
        return { name: 'panic', offset: address - 0xc0100000 };
      if (address >= 0xc0200000 && address < 0xc0200100)
        return { name: 'start_\x1b[31m', offset: address - 0xc0200000 };
      return null;
    },
  };

  test('names code addresses and guesses more of them from the stack', () => {
    const text = crashText(
      {
        reason: 'x',
        vcpu: 0,
        registers: ['eip e019:c0100010'],
        backtrace: [0xc0100010, 0x1234],
        stack: [0, 0xc0200004, 0xc0100010],
      },
      symbols,
    );
    expect(text.split('\n')).toEqual([
      'vcpu 0 registers:',
      '  eip e019:c0100010',
      'stack trace:',
      '  [<c0100010>] panic+0x10',
      '  [<00001234>]',
      '  [<c0200004>] start_?[31m+0x4 ?',
      'stack:',
      '  00000000 c0200004 c0100010',
      '',
    ]);
  });

  test('a stack that cannot be read is said to be so', () => {
    const report = { reason: 'x', vcpu: 0, registers: [], backtrace: [], stack: [] };
    expect(crashText(report, symbols)).toMatch(/stack:\n {2}\(not readable\)\n$/);
  });
});

describe('outcomes', () => {
  test.each<[Outcome, number]>([
    [{ kind: 'poweroff' }, 0],
    [{ kind: 'script-done' }, 0],
    [{ kind: 'left' }, 0],
    [{ kind: 'suspend' }, 0],
    [{ kind: 'crash', report: null }, 3],
    [{ kind: 'watchdog' }, 3],
    [{ kind: 'soft-reset' }, 3],
    [{ kind: 'reboot' }, 4],
    [{ kind: 'timeout', seconds: 1, waitingFor: null }, 124],
    [{ kind: 'asleep', waitingFor: null }, 124],
    [{ kind: 'script-unfinished', waitingFor: 'x', ended: 'poweroff' }, 124],
    [{ kind: 'signal', signal: 'SIGTERM' }, 143],
  ])('%j exits with %i and has at most one line to say', (outcome, code) => {
    expect(exitCodeOf(outcome)).toBe(code);
    expect(describeOutcome(outcome) ?? '').not.toContain('\n');
  });
});
