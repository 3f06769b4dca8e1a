import {
  SHUTDOWN_crash,
  SHUTDOWN_poweroff,
  SHUTDOWN_reboot,
  SHUTDOWN_soft_reset,
  SHUTDOWN_suspend,
  SHUTDOWN_watchdog,
} from '@domu/xen-abi';
import type { DomainConfig, EventAction } from './cfg/domain-config.ts';

/** Why a domain stopped, in xl's words. */
export type ShutdownReason = 'poweroff' | 'reboot' | 'suspend' | 'crash' | 'watchdog' | 'soft-reset';

/** What the toolstack does next. `preserve`: the domain stays as it is, for whoever wants to look at it. */
export type NextStep = 'destroy' | 'restart' | 'preserve';

const REASONS: Readonly<Record<number, ShutdownReason>> = {
  [SHUTDOWN_poweroff]: 'poweroff',
  [SHUTDOWN_reboot]: 'reboot',
  [SHUTDOWN_suspend]: 'suspend',
  [SHUTDOWN_crash]: 'crash',
  [SHUTDOWN_watchdog]: 'watchdog',
  [SHUTDOWN_soft_reset]: 'soft-reset',
};

/** @param code SHUTDOWN_*, any u32: unknown ones count as crashes */
export function shutdownReason(code: number): ShutdownReason {
  return REASONS[code] ?? 'crash';
}

/**
 * Decides what follows a shutdown by the domain's on_* settings.
 * A core dump is not written here, and a soft reset is for HVM guests: those actions do what is left of them.
 * Source: xl.cfg(5), "EVENT ACTIONS"; tools/xl/xl_vmcontrol.c, handle_domain_death
 */
export function afterShutdown(
  reason: ShutdownReason,
  config: Pick<DomainConfig, 'onPoweroff' | 'onReboot' | 'onCrash' | 'onWatchdog' | 'onSoftReset'>,
): NextStep {
  const actions: Readonly<Record<ShutdownReason, EventAction>> = {
    poweroff: config.onPoweroff,
    reboot: config.onReboot,
    suspend: 'destroy',
    crash: config.onCrash,
    watchdog: config.onWatchdog,
    'soft-reset': config.onSoftReset,
  };
  switch (actions[reason]) {
    case 'restart':
    case 'rename-restart':
    case 'coredump-restart':
      return 'restart';
    case 'preserve':
      return 'preserve';
    default:
      return 'destroy';
  }
}
