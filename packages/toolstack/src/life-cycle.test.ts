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

  test("xl's defaults: a reboot restarts, a suspended domain stays, everything else destroys", () => {
    const config = defaultDomainConfig('x');
    const next = (reason: Parameters<typeof afterShutdown>[0]) => afterShutdown(reason, config);
    expect(next('poweroff')).toEqual({ dump: false, next: 'destroy' });
    expect(next('reboot')).toEqual({ dump: false, next: 'restart' });
    expect(next('crash')).toEqual({ dump: false, next: 'destroy' });
    expect(next('suspend')).toEqual({ dump: false, next: 'preserve' });
    expect(next('soft-reset')).toEqual({ dump: false, next: 'destroy' });
  });

  test('actions are per reason; those with a core dump say so, and the rest', () => {
    const config = {
      ...defaultDomainConfig('x'),
      onReboot: 'destroy',
      onCrash: 'coredump-restart',
      onWatchdog: 'coredump-destroy',
      onPoweroff: 'preserve',
      onSoftReset: 'rename-restart',
    } as const;
    expect(afterShutdown('reboot', config)).toEqual({ dump: false, next: 'destroy' });
    expect(afterShutdown('crash', config)).toEqual({ dump: true, next: 'restart' });
    expect(afterShutdown('watchdog', config)).toEqual({ dump: true, next: 'destroy' });
    expect(afterShutdown('poweroff', config)).toEqual({ dump: false, next: 'preserve' });
    expect(afterShutdown('soft-reset', config)).toEqual({ dump: false, next: 'restart' });
  });
});
