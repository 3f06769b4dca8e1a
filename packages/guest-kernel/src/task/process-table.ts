import type { AddressSpace } from '../mm/address-space.ts';
import type { Process } from './process.ts';
import type { Task } from './task.ts';

const MAX_PID = 32_768;
/** After wrapping, as Linux: low numbers are for daemons. */
const FIRST_REUSED_PID = 300;

/** All processes and threads by number. */
export class ProcessTable {
  readonly processes: Map<number, Process> = new Map();
  readonly tasks: Map<number, Task> = new Map();
  #next = 1;
  /** Processes that were ever made. */
  forks = 0;

  /** @returns a number that names no process, thread, group or session, or -1 */
  newPid(): number {
    for (let tries = 0; tries < MAX_PID; tries++) {
      const pid = this.#next;
      this.#next = pid + 1 < MAX_PID ? pid + 1 : FIRST_REUSED_PID;
      if (!this.#isUsed(pid)) {
        this.forks++;
        return pid;
      }
    }
    return -1;
  }

  get lastPid(): number {
    return this.#next - 1;
  }

  /** The memory of all processes. */
  spaces(): Set<AddressSpace> {
    const spaces = new Set<AddressSpace>();
    for (const { memory } of this.processes.values()) if (memory.users > 0) spaces.add(memory);
    return spaces;
  }

  *group(pgid: number): IterableIterator<Process> {
    for (const process of this.processes.values())
      if (process.pgid === pgid && process.ending === null) yield process;
  }

  sessionOfGroup(pgid: number): number | undefined {
    for (const process of this.processes.values()) if (process.pgid === pgid) return process.sid;
    return undefined;
  }

  /** No member's parent is in the same session but another group: nobody could continue it. */
  isOrphaned(pgid: number): boolean {
    for (const { parent, sid } of this.group(pgid))
      if (parent !== null && parent.sid === sid && parent.pgid !== pgid) return false;
    return true;
  }

  #isUsed(pid: number): boolean {
    if (this.processes.has(pid) || this.tasks.has(pid)) return true;
    for (const { pgid, sid } of this.processes.values()) if (pgid === pid || sid === pid) return true;
    return false;
  }
}
