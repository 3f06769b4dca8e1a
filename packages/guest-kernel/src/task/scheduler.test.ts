import { expect, it } from 'vitest';
import { Timers } from '../time/timers.ts';
import { Runnable } from './runnable.ts';
import { Scheduler } from './scheduler.ts';
import { type Op, WaitQueue, type Wake } from './wait.ts';

class Thread extends Runnable {
  end = false;
  interruption = false;

  override get interrupted(): boolean {
    return this.interruption;
  }

  override get mustEnd(): boolean {
    return this.end;
  }

  readonly woken: Wake[] = [];

  constructor(queue: WaitQueue, sleeps: number, interruptible = true) {
    super();
    this.op = this.#work(queue, sleeps, interruptible);
  }

  *#work(queue: WaitQueue, sleeps: number, interruptible: boolean): Op<number> {
    for (let i = 0; i < sleeps; i++) this.woken.push(yield { queues: [queue], interruptible });
    return 7;
  }
}

it('a signal that comes while a thread waits for its turn in the kernel ends the sleep that follows', () => {
  const scheduler = new Scheduler(new Timers());
  const queue = new WaitQueue();
  const thread = new Thread(queue, 2);
  expect(scheduler.step(thread)).toBeUndefined();
  queue.wakeAll();
  expect(thread.state).toBe('ready');
  // Nobody wakes it for the signal: it is awake.
  thread.interruption = true;
  expect(scheduler.next()).toBe(thread);
  expect(scheduler.step(thread)).toBe(7);
  expect(thread.woken).toEqual(['event', 'signal']);
});

it('a sleep that no signal may end is not ended by one that came before it', () => {
  const scheduler = new Scheduler(new Timers());
  const thread = new Thread(new WaitQueue(), 1, false);
  thread.interruption = true;
  expect(scheduler.step(thread)).toBeUndefined();
  expect(thread.state).toBe('asleep');
});

it('who goes on sleeping after it was told of a signal sleeps', () => {
  const scheduler = new Scheduler(new Timers());
  const thread = new Thread(new WaitQueue(), 9);
  thread.interruption = true;
  expect(scheduler.step(thread)).toBeUndefined();
  expect(thread.woken).toEqual(['signal']);
  expect(thread.state).toBe('asleep');
});

it('who must end is told so at each sleep that a signal may end: nobody would wake it again', () => {
  const scheduler = new Scheduler(new Timers());
  const thread = new Thread(new WaitQueue(), 3);
  // It was woken by a signal, and told to end before it had its turn.
  thread.wakeReason = 'signal';
  thread.end = true;
  expect(scheduler.step(thread)).toBe(7);
  expect(thread.woken).toEqual(['signal', 'signal', 'signal']);
});
