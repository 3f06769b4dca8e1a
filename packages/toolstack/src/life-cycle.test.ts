import { describe, expect, test } from 'vitest';
import { defaultDomainConfig } from './cfg/domain-config.ts';
import { afterShutdown, shutdownReason } from './life-cycle.ts';

describe('life cycle', () => {
  test('codes have names; what nobody knows is a crash', () => {
    expect([0, 1, 2, 3, 4, 5, 99, 0xffffffff].map(shutdownReason)).toEqual([
      'poweroff',
      'reboot',
      'suspend',
      'crash',
      'watchdog',
      'soft-reset',
      'crash',
      'crash',
    ]);
  });

  test("xl's defaults: a reboot restarts, everything else destroys", () => {
    const config = defaultDomainConfig('x');
    expect(afterShutdown('poweroff', config)).toBe('destroy');
    expect(afterShutdown('reboot', config)).toBe('restart');
    expect(afterShutdown('crash', config)).toBe('destroy');
    expect(afterShutdown('suspend', config)).toBe('destroy');
    expect(afterShutdown('soft-reset', config)).toBe('destroy');
  });

  test('actions are per reason; those with a core dump do the rest of what they say', () => {
    const config = {
      ...defaultDomainConfig('x'),
      onReboot: 'destroy',
      onCrash: 'coredump-restart',
      onPoweroff: 'preserve',
    } as const;
    expect(afterShutdown('reboot', config)).toBe('destroy');
    expect(afterShutdown('crash', config)).toBe('restart');
    expect(afterShutdown('poweroff', config)).toBe('preserve');
  });
});
