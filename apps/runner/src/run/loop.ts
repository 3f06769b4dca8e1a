import type { Clock, RunResult } from '@domu/xen-hypervisor';
import type { Waker } from './waker.ts';

/** How long the machine runs between two looks at the host's events: short enough for typing, long enough for speed. */
const SLICE_NS = 2_000_000;
/** The same in instructions under the virtual clock, so that a run repeats. */
const VIRTUAL_SLICE = 1_000_000;
const NS_PER_MS = 1_000_000;

/** What the loop drives. */
export interface LoopMachine {
  run(budget: number, ns?: number): RunResult;
  readonly clock: Pick<Clock, 'nowNs' | 'virtual'>;
}

export interface LoopHost {
  /** Called after each slice and each sleep. `restarted`: what the machine said of the old guest counts no more. */
  afterSlice(): 'go-on' | 'restarted' | 'end';
  /** @returns null, or what to wait for before the machine runs on, because what it said has no room */
  behind(): Promise<void> | null;
  /** Somebody may still wake a machine that sleeps without a timer: a terminal, a pipe. */
  canBeWoken(): boolean;
}

/**
 * Runs a machine in slices between turns of the event loop, and sleeps while it is idle.
 * @returns 'ended' when `afterSlice` said so, 'asleep' when nothing can happen any more
 */
export async function runLoop(
  machine: LoopMachine,
  host: LoopHost,
  waker: Waker,
): Promise<'ended' | 'asleep'> {
  const slice: readonly [number, number?] = machine.clock.virtual
    ? [VIRTUAL_SLICE]
    : [Number.POSITIVE_INFINITY, SLICE_NS];
  for (;;) {
    for (let reader = host.behind(); reader !== null; reader = host.behind()) {
      void reader.then(() => waker.wake());
      await waker.sleep(null);
      if (host.afterSlice() === 'end') return 'ended';
    }
    const result = machine.run(...slice);
    const next = host.afterSlice();
    if (next === 'end') return 'ended';
    if (next === 'restarted') {
      // A guest that does nothing but restart must not keep signals and timers out.
      await nextTurn();
      continue;
    }
    switch (result.state) {
      case 'running':
        await nextTurn();
        break;
      case 'idle':
        if (result.untilNs === null && !host.canBeWoken()) return 'asleep';
        await waker.sleep(millisecondsUntil(result.untilNs, machine.clock));
        break;
      case 'stopped':
        if (!host.canBeWoken()) return 'asleep';
        await waker.sleep(null);
    }
    if (host.afterSlice() === 'end') return 'ended';
  }
}

/** Rounded up: a timer that fires early would make the loop spin. */
function millisecondsUntil(untilNs: number | null, clock: LoopMachine['clock']): number | null {
  return untilNs === null ? null : Math.max(0, Math.ceil((untilNs - clock.nowNs()) / NS_PER_MS));
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
