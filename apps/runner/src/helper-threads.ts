import { readdirSync } from 'node:fs';
import { getPriority, setPriority } from 'node:os';

const THREADS = '/proc/self/task';
/** In the order in which Node starts them: the guest's, a clock's, and the first on which V8 compiles and collects. */
const KEPT = 3;
/** How much nicer the others are made, and how nice a thread can be. */
const NICER = 5;
const NICEST = 19;

/**
 * Leaves V8 one helper thread with the priority of the guest's; the others give way. A small machine has fewer processors
 * than V8 has helpers, and the guest would wait while they compile what it needs later. Not by much: the process waits for them
 * at times, and by 15 a start took twice as long on a machine that others kept busy.
 * Linux only; elsewhere, and where it is not allowed, they stay as they are.
 */
export function makeHelperThreadsNice(): void {
  try {
    const threads = readdirSync(THREADS).map(Number);
    const niceness = Math.min(getPriority() + NICER, NICEST);
    for (const thread of threads.sort((a, b) => a - b).slice(KEPT)) setPriority(thread, niceness);
  } catch {
    // No such threads, or not ours to command: slower, but not wrong.
  }
}
