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

/** What the toolstack does with the domain. `preserve`: it stays as it is, for whoever wants to look at it. */
export type NextStep = 'destroy' | 'restart' | 'preserve';

/** What follows a shutdown. */
export interface Aftermath {
  /** A core dump is written before anything else. */
  readonly dump: boolean;
  readonly next: NextStep;
}

const REASONS: Readonly<Record<number, ShutdownReason>> = {
  [SHUTDOWN_poweroff]: 'poweroff',
  [SHUTDOWN_reboot]: 'reboot',
  [SHUTDOWN_suspend]: 'suspend',
  [SHUTDOWN_crash]: 'crash',
  [SHUTDOWN_watchdog]: 'watchdog',
  [SHUTDOWN_soft_reset]: 'soft-reset',
};

/** Why a domain stopped. @param code SHUTDOWN_*, any u32: unknown ones count as crashes */
export function shutdownReason(code: number): ShutdownReason {
  return REASONS[code] ?? 'crash';
}

/**
 * Decides what follows a shutdown by the domain's on_* settings. A suspended domain stays where it is. A soft reset is for
 * HVM guests, so that action destroys; rename-restart keeps the dead domain beside the new one in xl, and is a restart here,
 * where nobody could look at it.
 * Source: xl.cfg(5), "EVENT ACTIONS"; tools/xl/xl_vmcontrol.c, handle_domain_death @ RELEASE-4.18.0
 */
export function afterShutdown(
  reason: ShutdownReason,
  config: Pick<DomainConfig, 'onPoweroff' | 'onReboot' | 'onCrash' | 'onWatchdog' | 'onSoftReset'>,
): Aftermath {
  if (reason === 'suspend') return { dump: false, next: 'preserve' };
  const actions: Readonly<Record<Exclude<ShutdownReason, 'suspend'>, EventAction>> = {
    poweroff: config.onPoweroff,
    reboot: config.onReboot,
    crash: config.onCrash,
    watchdog: config.onWatchdog,
    'soft-reset': config.onSoftReset,
  };
  return AFTERMATHS[actions[reason]];
}

const AFTERMATHS: Readonly<Record<EventAction, Aftermath>> = {
  destroy: { dump: false, next: 'destroy' },
  restart: { dump: false, next: 'restart' },
  'rename-restart': { dump: false, next: 'restart' },
  preserve: { dump: false, next: 'preserve' },
  'coredump-destroy': { dump: true, next: 'destroy' },
  'coredump-restart': { dump: true, next: 'restart' },
  'soft-reset': { dump: false, next: 'destroy' },
};
