import { expect, it } from 'vitest';
import { SIGCONT, SIGSTOP } from '../abi/signals.ts';
import type { FdTable } from '../fs/fd-table.ts';
import type { FsContext } from '../fs/fs-context.ts';
import { ROOT_CREDENTIALS } from '../fs/kernel-caller.ts';
import type { Kernel } from '../kernel.ts';
import type { AddressSpace } from '../mm/address-space.ts';
import { Timers } from '../time/timers.ts';
import { Process } from './process.ts';
import { ProcessTable } from './process-table.ts';
import { Scheduler } from './scheduler.ts';
import { SignalActions } from './signal-state.ts';
import { Signals } from './signals.ts';
import { Task } from './task.ts';
import { type Op, WaitQueue } from './wait.ts';

it('SIGCONT does not end a sleep that no signal may end', () => {
  const scheduler = new Scheduler(new Timers());
  const signals = new Signals(scheduler, new ProcessTable());
  const process = new Process(2, null, {
    memory: {} as AddressSpace,
    actions: new SignalActions(),
    session: { id: 2, terminal: undefined },
    pgid: 2,
    limits: [],
    exitSignal: 0,
    startedNs: 0n,
  });
  const parts = { cred: ROOT_CREDENTIALS, files: {} as FdTable, fs: {} as FsContext };
  const [patient, other] = [2, 3].map((tid) => new Task({ signals } as Kernel, tid, process, parts));
  const read = function* (interruptible: boolean): Op<number> {
    return (yield { queues: [new WaitQueue()], interruptible }) === 'event' ? 0 : 1;
  };
  for (const [task, interruptible] of [
    [patient, false],
    [other, true],
  ] as const) {
    task.beginCall(read(interruptible));
    scheduler.step(task);
  }
  signals.stop(process, SIGSTOP);
  expect([patient.state, other.state]).toEqual(['asleep', 'ready']);
  signals.send(process, { signal: SIGCONT, code: 0 });
  expect(process.stopped).toBe(0);
  expect([patient.state, other.state]).toEqual(['asleep', 'ready']);
});
