import { describe, expect, it } from 'vitest';
import { E } from '../abi/errno.ts';
import {
  F_GETPIPE_SZ,
  F_SETPIPE_SZ,
  O_NONBLOCK,
  O_RDONLY,
  O_RDWR,
  O_WRONLY,
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLOUT,
} from '../abi/fcntl.ts';
import { SIGPIPE } from '../abi/signal-numbers.ts';
import { type TestTask, TestWorld } from './testing.ts';

function pipe(task: TestTask, flags = 0): [reader: number, writer: number] {
  const va = task.allocate(8);
  expect(task.call('pipe2', va, flags)).toBe(0);
  return [task.user.read32(va)!, task.user.read32(va + 4)!];
}

function pollOne(task: TestTask, fd: number, events: number): number {
  const va = task.allocate(8);
  task.user.write32(va, fd);
  task.user.write32(va + 4, events);
  task.call('poll', va, 1, 0);
  return task.user.read32(va + 4)! >>> 16;
}

describe('pipe', () => {
  it('hands bytes from writer to reader in order', () => {
    const task = new TestWorld().task();
    const [reader, writer] = pipe(task);
    expect(task.writeText(writer, 'hello ')).toBe(6);
    expect(task.writeText(writer, 'world')).toBe(5);
    expect(task.readText(reader, 8)).toBe('hello wo');
    expect(task.readText(reader)).toBe('rld');
  });

  it('reads 0 after the last writer is gone, and sleeps before', () => {
    const task = new TestWorld().task();
    const [reader, writer] = pipe(task);
    const reading = task.start('read', reader, 8192, 100);
    expect(reading.result).toBeUndefined();
    task.call('close', writer);
    expect(reading.result).toBe(0);
  });

  it('has a page only where the kernel holds much already, and gives back what it had', () => {
    const world = new TestWorld();
    const { holdings } = world.side.vfs;
    const task = world.task();
    const before = holdings.bytes;
    const [, writer] = pipe(task, O_NONBLOCK);
    expect(task.writeText(writer, 'x')).toBe(1);
    expect(holdings.bytes - before).toBe(65_536);
    const rest = holdings.maxBytes - holdings.bytes;
    expect(holdings.takeBytes(rest)).toBe(true);
    const [small, full] = pipe(task, O_NONBLOCK);
    expect(task.writeText(full, 'x'.repeat(10_000))).toBe(4096);
    expect(task.call('fcntl64', full, F_SETPIPE_SZ, 65_536)).toBe(-E.PERM);
    for (const fd of [small, full]) task.call('close', fd);
    holdings.bytes -= rest;
    task.files.closeAll();
    expect(holdings.bytes).toBe(before);
  });

  it('there is an end to the number of descriptors of all processes', () => {
    const world = new TestWorld();
    const { holdings } = world.side.vfs;
    const task = world.task();
    const [reader] = pipe(task);
    const rest = holdings.maxFiles - holdings.files;
    holdings.files += rest;
    expect(task.call('dup', reader)).toBe(-E.NFILE);
    expect(task.call('dup2', reader, 9)).toBe(-E.NFILE);
    holdings.files -= rest;
    expect(task.call('dup', reader)).toBe(2);
    task.files.closeAll();
    expect(holdings.files).toBe(0);
  });

  it('signals SIGPIPE and returns -EPIPE without readers', () => {
    const task = new TestWorld().task();
    const [reader, writer] = pipe(task);
    task.call('close', reader);
    expect(task.writeText(writer, 'x')).toBe(-E.PIPE);
    expect(task.signals).toEqual([SIGPIPE]);
  });

  it('does not split a write of PIPE_BUF bytes', () => {
    const task = new TestWorld().task();
    const [reader, writer] = pipe(task, O_NONBLOCK);
    const chunk = 'x'.repeat(4096);
    for (let count = 0; count < 16; count++) expect(task.writeText(writer, chunk)).toBe(4096);
    expect(task.writeText(writer, 'y')).toBe(-E.AGAIN);
    expect(task.readText(reader, 100)).toHaveLength(100);
    expect(task.writeText(writer, 'y'.repeat(101))).toBe(-E.AGAIN);
    expect(task.writeText(writer, 'y'.repeat(100))).toBe(100);
  });

  it('takes part of a longer write without blocking, all of it with', () => {
    const task = new TestWorld().task();
    const [, nonblocking] = pipe(task, O_NONBLOCK);
    expect(task.writeText(nonblocking, 'z'.repeat(70000))).toBe(65536);
    const [reader, writer] = pipe(task);
    const writing = task.start('write', writer, 'z'.repeat(70000), 70000);
    expect(writing.result).toBeUndefined();
    expect(task.readText(reader, 65536)).toHaveLength(65536);
    expect(writing.result).toBe(70000);
  });

  it('returns what was written before a signal, or -ERESTARTSYS', () => {
    const task = new TestWorld().task();
    const [reader, writer] = pipe(task);
    const writing = task.start('write', writer, 'z'.repeat(70000), 70000);
    writing.wake('signal');
    expect(writing.result).toBe(65536);
    const second = task.start('write', writer, 'q', 1);
    second.wake('signal');
    expect(second.result).toBe(-E.RESTARTSYS);
    expect(task.readText(reader, 65536)).toHaveLength(65536);
  });

  it('tells poll what can be done', () => {
    const task = new TestWorld().task();
    const [reader, writer] = pipe(task);
    const both = POLLIN | POLLOUT;
    expect([pollOne(task, reader, both), pollOne(task, writer, both)]).toEqual([0, POLLOUT]);
    task.writeText(writer, 'x');
    expect(pollOne(task, reader, both)).toBe(POLLIN);
    task.call('close', writer);
    expect(pollOne(task, reader, both)).toBe(POLLIN | POLLHUP);
    const [other, end] = pipe(task);
    task.call('close', other);
    expect(pollOne(task, end, both)).toBe(POLLOUT | POLLERR);
  });

  it('wakes a poll with a timeout by data, and by the clock', () => {
    const world = new TestWorld();
    const task = world.task();
    const [reader, writer] = pipe(task);
    const va = task.allocate(8);
    task.user.write32(va, reader);
    task.user.write32(va + 4, POLLIN);
    const first = task.start('poll', va, 1, 1000);
    expect(first.sleep?.deadline).toBe(world.nowNs + 1_000_000_000n);
    task.writeText(writer, 'x');
    expect(first.result).toBe(1);
    task.readText(reader);
    const second = task.start('poll', va, 1, 1000);
    world.nowNs += 1_000_000_000n;
    second.wake('timeout');
    expect(second.result).toBe(0);
  });

  it('changes its size, but never below what is in it', () => {
    const task = new TestWorld().task();
    const [reader, writer] = pipe(task);
    expect(task.call('fcntl64', writer, F_GETPIPE_SZ)).toBe(65536);
    task.writeText(writer, 'x'.repeat(5000));
    expect(task.call('fcntl64', writer, F_SETPIPE_SZ, 4096)).toBe(-E.BUSY);
    expect(task.call('fcntl64', writer, F_SETPIPE_SZ, 9000)).toBe(16384);
    expect(task.readText(reader, 9000)).toBe('x'.repeat(5000));
  });
});

describe('FIFO', () => {
  it('opens when both ends are there', () => {
    const world = new TestWorld();
    const [one, two] = [world.task(), world.task()];
    expect(one.call('mknod', '/fifo', 0o010644, 0)).toBe(0);
    const reader = one.start('open', '/fifo', O_RDONLY);
    expect(reader.result).toBeUndefined();
    const writer = two.call('open', '/fifo', O_WRONLY);
    expect([reader.result, writer]).toEqual([0, 0]);
    two.writeText(0, 'through');
    expect(one.readText(0)).toBe('through');
  });

  it('refuses a writer that will not wait for a reader', () => {
    const task = new TestWorld().task();
    task.call('mknod', '/fifo', 0o010644, 0);
    expect(task.call('open', '/fifo', O_WRONLY | O_NONBLOCK)).toBe(-E.NXIO);
    expect(task.call('open', '/fifo', O_RDONLY | O_NONBLOCK)).toBe(0);
    expect(task.call('open', '/fifo', O_RDWR)).toBe(1);
  });
});
