import type { RunResult } from '@domu/xen-hypervisor';
import { describe, expect, test } from 'vitest';
import { type LoopHost, runLoop } from './loop.ts';
import { Waker } from './waker.ts';

const idle = (untilNs: number | null): RunResult => ({ state: 'idle', untilNs });

function machineOf(results: RunResult[]): {
  run(): RunResult;
  runs: number;
  clock: { nowNs(): number; virtual: boolean };
} {
  const start = performance.now();
  return {
    runs: 0,
    run() {
      return results[this.runs++] ?? { state: 'running' };
    },
    clock: { nowNs: () => (performance.now() - start) * 1e6, virtual: false },
  };
}

function hostEndingAfter(slices: number, woken = true): LoopHost {
  let left = slices;
  return { afterSlice: () => (--left < 0 ? 'end' : 'go-on'), canBeWoken: () => woken, behind: () => null };
}

describe('runLoop', () => {
  test('sleeps until the timer, in one go', async () => {
    const machine = machineOf([idle(30e6), idle(60e6)]);
    await runLoop(machine, hostEndingAfter(4), new Waker());
    expect(machine.clock.nowNs()).toBeGreaterThan(59e6);
    expect(machine.runs).toBe(3);
  });

  test.each([
    [false, [Number.POSITIVE_INFINITY, 2e6]],
    [true, [1e6]],
  ])('virtual clock %s: slices by time or by instructions', async (virtual, expected) => {
    const asked: unknown[][] = [];
    const run = (...slice: unknown[]): RunResult => {
      asked.push(slice);
      return { state: 'running' };
    };
    await runLoop({ run, clock: { nowNs: () => 0, virtual } }, hostEndingAfter(2), new Waker());
    expect(asked).toEqual([expected, expected]);
  });

  test('input ends the sleep', async () => {
    const machine = machineOf([idle(null), idle(null)]);
    const waker = new Waker();
    setTimeout(() => waker.wake(), 20);
    expect(await runLoop(machine, hostEndingAfter(2), waker)).toBe('ended');
    expect(machine.clock.nowNs()).toBeLessThan(5e9);
  });

  test('a wake-up before the sleep is not lost', async () => {
    const waker = new Waker();
    waker.wake();
    await waker.sleep(null);
  });

  test('says so when nothing can happen any more', async () => {
    expect(await runLoop(machineOf([idle(null)]), hostEndingAfter(9, false), new Waker())).toBe('asleep');
    expect(await runLoop(machineOf([{ state: 'stopped' }]), hostEndingAfter(9, false), new Waker())).toBe(
      'asleep',
    );
  });

  test('a restart makes what the old guest left behind void', async () => {
    const machine = machineOf([{ state: 'stopped' }]);
    const steps: ReturnType<LoopHost['afterSlice']>[] = ['restarted', 'end'];
    const host: LoopHost = {
      afterSlice: () => steps.shift() ?? 'end',
      canBeWoken: () => false,
      behind: () => null,
    };
    expect(await runLoop(machine, host, new Waker())).toBe('ended');
    expect(machine.runs).toBe(2);
  });

  test('a machine whose output has no room stands still until it has', async () => {
    const machine = machineOf([]);
    let readerIsThere = false;
    let tell = (): void => {};
    const reader = new Promise<void>((resolve) => {
      tell = resolve;
    });
    const behind = () => (machine.runs === 1 && !readerIsThere ? reader : null);
    const host = { ...hostEndingAfter(3), behind };
    const ended = runLoop(machine, host, new Waker());
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(machine.runs).toBe(1);
    readerIsThere = true;
    tell();
    await ended;
    expect(machine.runs).toBe(2);
  });
});
