import { existsSync, readFileSync } from 'node:fs';

const SCHEDSTAT = '/proc/self/schedstat';

/** A running time in milliseconds. */
export interface Stopwatch {
  readonly name: 'processor time' | 'wall time';
  now(): number;
}

/**
 * Time that the main thread has spent on a processor, where the kernel tells it: other programs on the machine and the
 * engine's compiler threads do not count. Elsewhere wall time.
 */
export function stopwatch(): Stopwatch {
  if (!existsSync(SCHEDSTAT)) return { name: 'wall time', now: () => performance.now() };
  return {
    name: 'processor time',
    now: () => Number(readFileSync(SCHEDSTAT, 'latin1').split(' ', 1)[0]) / 1e6,
  };
}
