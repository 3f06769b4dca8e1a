import { describe, expect, it } from 'vitest';
import { E } from '../abi/errno.ts';
import {
  F_GETLK64,
  F_RDLCK,
  F_SETLK64,
  F_SETLKW64,
  F_UNLCK,
  F_WRLCK,
  LOCK_EX,
  LOCK_NB,
  LOCK_SH,
  LOCK_UN,
  O_CREAT,
  O_RDWR,
} from '../abi/fcntl.ts';
import { type TestTask, TestWorld } from './testing.ts';

function flock64(task: TestTask, type: number, start: number, length: number): number {
  const va = task.allocate(24);
  const view = new DataView(task.user.bytes.buffer, va, 24);
  view.setInt16(0, type, true);
  view.setInt16(2, 0, true);
  view.setBigInt64(4, BigInt(start), true);
  view.setBigInt64(12, BigInt(length), true);
  return va;
}

function twoTasks(): [TestTask, TestTask] {
  const world = new TestWorld();
  const tasks: [TestTask, TestTask] = [world.task(), world.task()];
  for (const task of tasks) task.call('open', '/f', O_CREAT | O_RDWR, 0o644);
  return tasks;
}

describe('record locks', () => {
  it('of different processes exclude each other where they overlap', () => {
    const [one, two] = twoTasks();
    expect(one.call('fcntl64', 0, F_SETLK64, flock64(one, F_WRLCK, 10, 10))).toBe(0);
    expect(two.call('fcntl64', 0, F_SETLK64, flock64(two, F_RDLCK, 19, 1))).toBe(-E.AGAIN);
    expect(two.call('fcntl64', 0, F_SETLK64, flock64(two, F_RDLCK, 20, 0))).toBe(0);
    const va = flock64(two, F_WRLCK, 0, 0);
    expect(two.call('fcntl64', 0, F_GETLK64, va)).toBe(0);
    const view = new DataView(two.user.bytes.buffer, va, 24);
    expect([
      view.getInt16(0, true),
      view.getUint32(4, true),
      view.getUint32(12, true),
      view.getUint32(20, true),
    ]).toEqual([F_WRLCK, 10, 10, 1]);
  });

  it('split when the middle is unlocked, wait with F_SETLKW, and go with close', () => {
    const [one, two] = twoTasks();
    one.call('fcntl64', 0, F_SETLK64, flock64(one, F_WRLCK, 0, 0));
    one.call('fcntl64', 0, F_SETLK64, flock64(one, F_UNLCK, 100, 10));
    expect(two.call('fcntl64', 0, F_SETLK64, flock64(two, F_WRLCK, 100, 10))).toBe(0);
    const waiting = two.start('fcntl64', 0, F_SETLKW64, flock64(two, F_WRLCK, 110, 1));
    expect(waiting.result).toBeUndefined();
    expect(one.start('fcntl64', 0, F_SETLKW64, flock64(one, F_WRLCK, 100, 1)).result).toBe(-E.DEADLK);
    one.call('close', one.call('open', '/f', 0));
    expect(waiting.result).toBe(0);
  });
});

describe('flock', () => {
  it('is of the open file: shared by dup, not by another open', () => {
    const [one, two] = twoTasks();
    expect(one.call('flock', 0, LOCK_SH)).toBe(0);
    expect(two.call('flock', 0, LOCK_SH)).toBe(0);
    expect(two.call('flock', 0, LOCK_EX | LOCK_NB)).toBe(-E.AGAIN);
    const copy = one.call('dup', 0);
    one.call('close', 0);
    const waiting = two.start('flock', 0, LOCK_EX);
    expect(waiting.result).toBeUndefined();
    one.call('close', copy);
    expect(waiting.result).toBe(0);
    expect(two.call('flock', 0, LOCK_UN)).toBe(0);
    expect(two.call('flock', 0, 64)).toBe(-E.INVAL);
  });
});
