import { expect, it } from 'vitest';
import { TimerQueue } from './timers.ts';

it('timers fire in the order of their times, equal times in the order of arming', () => {
  const queue = new TimerQueue();
  const fired: string[] = [];
  const timer = (name: string): ReturnType<TimerQueue['create']> => queue.create(() => fired.push(name));
  const [a, b, c] = [timer('a'), timer('b'), timer('c')];
  a.set(20);
  b.set(10);
  c.set(10);
  expect(queue.nextNs()).toBe(10);
  queue.runDue(15);
  expect(fired).toEqual(['b', 'c']);
  queue.runDue(20);
  expect(fired).toEqual(['b', 'c', 'a']);
  expect(queue.nextNs()).toBeNull();
});

it('a timer that is armed again moves, and a stopped one does not fire', () => {
  const queue = new TimerQueue();
  let fired = 0;
  const timer = queue.create(() => fired++);
  timer.set(10);
  timer.set(30);
  queue.runDue(20);
  expect(fired).toBe(0);
  timer.stop();
  timer.stop();
  queue.runDue(40);
  expect([fired, timer.armed]).toEqual([0, false]);
});

it('a timer that re-arms itself in the past fires once per round', () => {
  const queue = new TimerQueue();
  let fired = 0;
  const timer = queue.create(() => {
    fired++;
    timer.set(0);
  });
  timer.set(0);
  queue.runDue(100);
  queue.runDue(100);
  expect(fired).toBe(2);
});

it('a handler may stop another timer that is due', () => {
  const queue = new TimerQueue();
  const fired: string[] = [];
  const second = queue.create(() => fired.push('second'));
  const first = queue.create(() => {
    fired.push('first');
    second.stop();
  });
  first.set(1);
  second.set(2);
  queue.runDue(5);
  expect(fired).toEqual(['first']);
});
