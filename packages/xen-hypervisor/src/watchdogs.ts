import { XEN_EINVAL, XEN_ENOSPC } from '@domu/xen-abi';
import type { Timer, TimerQueue } from './timers.ts';

const NR_WATCHDOGS = 2;
const NS_PER_SECOND = 1_000_000_000;

/**
 * A domain's watchdog timers (SCHEDOP_watchdog): one that is not re-armed in time ends the domain.
 * Source: xen/common/sched/core.c, "domain_watchdog" @ RELEASE-4.18.0
 */
export class Watchdogs {
  readonly #timers: Timer[];
  readonly #inUse: boolean[] = new Array(NR_WATCHDOGS).fill(false);

  constructor(queue: TimerQueue, onExpired: () => void) {
    this.#timers = Array.from({ length: NR_WATCHDOGS }, () => queue.create(onExpired));
  }

  /**
   * Arms watchdog `id`, or a free one when it is 0; 0 seconds frees it.
   * @returns the new id for 0, else 0; -ENOSPC none free, -EINVAL no such id, or one not in use
   */
  set(id: number, seconds: number, nowNs: number): number {
    const expiresNs = nowNs + seconds * NS_PER_SECOND;
    if (id === 0) {
      const free = this.#inUse.indexOf(false);
      if (free < 0) return -XEN_ENOSPC;
      this.#inUse[free] = true;
      this.#timers[free].set(expiresNs);
      return free + 1;
    }
    if (id > NR_WATCHDOGS || !this.#inUse[id - 1]) return -XEN_EINVAL;
    if (seconds !== 0) {
      this.#timers[id - 1].set(expiresNs);
    } else {
      this.#timers[id - 1].stop();
      this.#inUse[id - 1] = false;
    }
    return 0;
  }

  /** The domain goes away. */
  stopAll(): void {
    for (const timer of this.#timers) timer.stop();
    this.#inUse.fill(false);
  }
}
