import { describe, expect, it } from 'vitest';
import { ALL_SIGNALS, DEFAULT_ACTION, SIG_IGN, signalBit } from '../abi/signals.ts';
import { PendingSignals, SignalActions } from './signal-state.ts';

const info = (signal: number, value = 0) => ({ signal, code: 0, value });

describe('pending signals', () => {
  it('a standard signal waits once, a real-time signal as often as it was sent, in order', () => {
    const pending = new PendingSignals();
    for (const value of [1, 2]) {
      pending.add(info(10, value));
      pending.add(info(40, value));
    }
    const taken: [number, number][] = [];
    for (let next = pending.take(ALL_SIGNALS); next !== null; next = pending.take(ALL_SIGNALS))
      taken.push([next.signal, next.value ?? 0]);
    expect(taken).toEqual([
      [10, 1],
      [40, 1],
      [40, 2],
    ]);
    expect(pending.set).toBe(0n);
  });

  it('what the process caused itself comes first, then the lowest number', () => {
    const pending = new PendingSignals();
    for (const signal of [15, 2, 11]) pending.add(info(signal));
    const order = [1, 2, 3].map(() => pending.take(ALL_SIGNALS)?.signal);
    expect(order).toEqual([11, 2, 15]);
  });

  it('blocked signals stay', () => {
    const pending = new PendingSignals();
    pending.add(info(2));
    expect(pending.take(ALL_SIGNALS & ~signalBit(2))).toBeNull();
    expect(pending.take(signalBit(2))?.signal).toBe(2);
  });

  it('the queue of real-time signals is bounded', () => {
    const pending = new PendingSignals();
    let taken = 0;
    while (taken < 10_000 && pending.add(info(50))) taken++;
    expect(taken).toBe(1024);
  });
});

it('exec keeps what is ignored, and forgets handlers', () => {
  const actions = new SignalActions();
  actions.set(2, { ...DEFAULT_ACTION, handler: SIG_IGN });
  actions.set(3, { ...DEFAULT_ACTION, handler: 0x8048000 });
  actions.forExec();
  expect([actions.get(2).handler, actions.get(3).handler]).toEqual([SIG_IGN, 0]);
});
