import { Writable } from 'node:stream';
import { expect, test } from 'vitest';
import { StreamConsoleSink } from './stream-console-sink.ts';

/** A stream that takes nothing until it is told to. */
function slowStream(): { stream: Writable; release: () => void } {
  let pending: (() => void) | null = null;
  const stream = new Writable({
    highWaterMark: 4,
    write: (_chunk, _encoding, done) => {
      pending = done;
    },
  });
  return { stream, release: () => pending?.() };
}

test('with back-pressure a full stream makes the guest wait, and draining wakes it once', async () => {
  const { stream, release } = slowStream();
  const sink = new StreamConsoleSink(stream, { backPressure: true });
  let resumed = 0;
  sink.onDrain(() => resumed++);
  expect([
    sink.write(Uint8Array.of(1)),
    sink.write(new Uint8Array(8)),
    sink.write(new Uint8Array(8)),
  ]).toEqual([true, false, false]);
  for (let i = 0; i < 3; i++) {
    release();
    await new Promise(setImmediate);
  }
  expect(resumed).toBe(1);
});

test('without back-pressure the guest never waits', () => {
  const sink = new StreamConsoleSink(slowStream().stream, { backPressure: false });
  expect([sink.write(new Uint8Array(8)), sink.write(new Uint8Array(8))]).toEqual([true, true]);
});
