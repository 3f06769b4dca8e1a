import { readdirSync } from 'node:fs';
import { setPriority } from 'node:os';

const THREADS = '/proc/self/task';
/** How much nicer than the guest's thread they are. */
const NICENESS = 5;

/**
 * Lets the threads on which V8 compiles and collects give way to the one that the guest runs on: they are more than a small
 * machine has processors. Linux only; elsewhere, and where it is not allowed, they stay as they are.
 */
export function makeHelperThreadsNice(): void {
  try {
    for (const thread of readdirSync(THREADS)) {
      if (Number(thread) !== process.pid) setPriority(Number(thread), NICENESS);
    }
  } catch {
    // No such threads, or not ours to command: slower, but not wrong.
  }
}
