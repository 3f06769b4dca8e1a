/** What is done when there is no memory for a page. Source for the rules: linux mm/oom_kill.c. */
import { TASK_SIZE } from '../boot/layout.ts';
import type { Kernel } from '../kernel.ts';
import type { AddressSpace } from '../mm/address-space.ts';
import type { Process } from './process.ts';

const KIB_PER_PAGE = 4;
const SIGKILL = 9;

/**
 * Takes the memory of those who are about to end, else ends the largest process and takes its pages at once, before it knows.
 * @returns whether whoever wants the page may try again: it is not about to end itself
 */
export function outOfMemory(kernel: Kernel): boolean {
  const { frames, user } = kernel;
  const doomed = doomedSpaces(kernel);
  // What it asked for fails, and everything that it has comes back. Others do not die so that it can go on until then.
  if (doomed.has(user.space)) return false;
  for (const memory of doomed) takePages(memory);
  if (frames.free > 0 || frames.reclaim?.()) return true;
  const victim = largest(kernel);
  if (victim === null) return false;
  const { memory } = victim;
  const kib = memory.residentPages * KIB_PER_PAGE;
  const name = victim.leader?.name ?? '';
  kernel.log.print(`Out of memory: Killed process ${victim.pid} (${name}) anon-rss:${kib}kB`, 3);
  for (const process of kernel.processes.processes.values())
    if (process.memory === memory && process.ending === null) kernel.signals.endProcess(process, SIGKILL);
  takePages(memory);
  return memory !== user.space;
}

/** Memory that nobody runs in who is not about to end. */
function doomedSpaces({ processes }: Kernel): Set<AddressSpace> {
  const doomed = new Set<AddressSpace>();
  const alive = [...processes.processes.values()].filter(({ ending }) => ending === null);
  for (const { memory, dying } of alive) if (dying !== null) doomed.add(memory);
  for (const { memory, dying } of alive) if (dying === null) doomed.delete(memory);
  return doomed;
}

/** With the regions: what they share with nobody else would stay otherwise. Who is about to end has no use for them. */
function takePages(memory: AddressSpace): void {
  memory.unmap(0, TASK_SIZE);
}

/** Not the first process, and nobody who is about to end. */
function largest({ processes }: Kernel): Process | null {
  let found: Process | null = null;
  for (const process of processes.processes.values()) {
    if (process.pid === 1 || process.ending !== null || process.dying !== null) continue;
    if (found === null || process.memory.residentPages > found.memory.residentPages) found = process;
  }
  return found;
}
