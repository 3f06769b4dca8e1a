/** System calls by number, and what happens at one that is not there. */
import { E } from '../abi/errno.ts';
import type { Task } from '../task/task.ts';
import type { Op } from '../task/wait.ts';

/** How much of a call there is: all that programs may expect, some of it, or -ENOSYS. */
export type Support = 'full' | 'partial' | 'none';

/** @param args six unsigned 32-bit numbers; @returns the value for EAX, or a negative errno */
export type CallHandler = (task: Task, args: readonly number[]) => Op<number> | number;

/** One system call. */
export interface CallRow {
  readonly number: number;
  readonly name: string;
  /** Kinds of its arguments in order, for traces: "fd buf size". */
  readonly args: string;
  readonly support: Support;
  readonly handler: CallHandler;
  /** Works on the user registers: they are saved before it begins. */
  readonly wantsRegisters: boolean;
  /** The FPU state is in memory before it begins. */
  readonly wantsFpu: boolean;
}

/** Names that are counted; a program that tries all numbers makes no more. */
const MAX_MISSING = 1024;

const absent: CallHandler = () => -E.NOSYS;

/** Finds and makes calls; counts those that are missing. */
export class Calls {
  /** How often a missing call was made, by name. */
  readonly missing: Map<string, number> = new Map();
  /** Told of each missing call when it is made for the first time. */
  onFirstMissing: (name: string) => void = () => {};
  readonly #rows: (CallRow | undefined)[] = [];

  constructor(rows: readonly CallRow[]) {
    for (const row of rows) this.#rows[row.number] = row;
  }

  find(number: number): CallRow {
    const row = this.#rows[number];
    if (row !== undefined && row.support !== 'none') return row;
    const name = row?.name ?? `#${number}`;
    const before = this.missing.get(name);
    if (before === undefined && this.missing.size < MAX_MISSING) this.onFirstMissing(name);
    if (this.missing.size < MAX_MISSING || before !== undefined) this.missing.set(name, (before ?? 0) + 1);
    return {
      number,
      name,
      args: '',
      support: 'none',
      handler: absent,
      wantsRegisters: false,
      wantsFpu: false,
    };
  }

  invoke(row: CallRow, task: Task, args: readonly number[]): Op<number> | number {
    return row.handler(task, args);
  }

  /** The same as something that can be begun later. */
  *asOp(row: CallRow, task: Task, args: readonly number[]): Op<number> {
    const result = row.handler(task, args);
    return typeof result === 'number' ? result : yield* result;
  }
}
