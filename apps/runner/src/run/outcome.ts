import type { CrashReport } from '@domu/xen-hypervisor';
import { EXIT_CRASHED, EXIT_OK, EXIT_REBOOTED, EXIT_TIMEOUT } from '../exit-codes.ts';

/** How a run ended. */
export type Outcome =
  | { readonly kind: 'poweroff' }
  | { readonly kind: 'reboot' }
  | { readonly kind: 'suspend' }
  | { readonly kind: 'soft-reset' }
  /** `report` is null when the guest called itself crashed and nothing more is known. */
  | { readonly kind: 'crash'; readonly report: CrashReport | null }
  | { readonly kind: 'watchdog' }
  | { readonly kind: 'script-done' }
  /** The guest ended, for the reason in `ended`, while --expect still waited. */
  | { readonly kind: 'script-unfinished'; readonly waitingFor: string; readonly ended: string }
  /** Ctrl-] */
  | { readonly kind: 'left' }
  | { readonly kind: 'timeout'; readonly seconds: number; readonly waitingFor: string | null }
  /** All vCPUs sleep, no timer is set and no input can come. */
  | { readonly kind: 'asleep'; readonly waitingFor: string | null }
  | { readonly kind: 'signal'; readonly signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP' };

const SIGNAL_NUMBERS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;

/** Exit code of `domu run`. */
export function exitCodeOf(outcome: Outcome): number {
  switch (outcome.kind) {
    case 'poweroff':
    case 'suspend':
    case 'script-done':
    case 'left':
      return EXIT_OK;
    case 'crash':
    case 'watchdog':
    case 'soft-reset':
      return EXIT_CRASHED;
    case 'reboot':
      return EXIT_REBOOTED;
    case 'script-unfinished':
    case 'timeout':
    case 'asleep':
      return EXIT_TIMEOUT;
    case 'signal':
      return 128 + SIGNAL_NUMBERS[outcome.signal];
  }
}

/** One line for stderr; null when the exit code says enough. */
export function describeOutcome(outcome: Outcome): string | null {
  switch (outcome.kind) {
    case 'reboot':
      return 'the guest asked to reboot, and on_reboot is "destroy"';
    case 'suspend':
      return 'the guest suspended itself; its state is lost, saving is not there yet';
    case 'soft-reset':
      return 'the guest asked for a soft reset, which a PV guest cannot have';
    case 'crash':
      return `the guest crashed: ${outcome.report?.reason ?? 'it said so itself'}`;
    case 'watchdog':
      return "the guest's watchdog expired";
    case 'script-unfinished':
      return `the guest ended (${outcome.ended}) before --expect ${outcome.waitingFor} matched`;
    case 'timeout':
      return `timed out after ${outcome.seconds} s${stillWaiting(outcome.waitingFor)}`;
    case 'asleep':
      return `the guest sleeps and nothing can wake it${stillWaiting(outcome.waitingFor)}`;
    default:
      return null;
  }
}

function stillWaiting(pattern: string | null): string {
  return pattern === null ? '' : `, waiting for --expect ${pattern}`;
}
