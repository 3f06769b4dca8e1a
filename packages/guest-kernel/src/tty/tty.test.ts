import { describe, expect, it } from 'vitest';
import { fromByteString, toByteString } from '../abi/bytes.ts';
import { E } from '../abi/errno.ts';
import { O_NOCTTY, O_NONBLOCK, O_RDONLY, O_RDWR, POLLHUP, POLLIN } from '../abi/fcntl.ts';
import {
  FIONREAD,
  TCFLSH,
  TCGETS,
  TCSETS,
  TIOCGPGRP,
  TIOCGPTN,
  TIOCGSID,
  TIOCGWINSZ,
  TIOCNOTTY,
  TIOCSCTTY,
  TIOCSPGRP,
  TIOCSPTLCK,
  TIOCSWINSZ,
} from '../abi/ioctl.ts';
import { SIGCONT, SIGHUP, SIGINT, SIGTTIN, SIGTTOU, SIGWINCH } from '../abi/signal-numbers.ts';
import { getTermios, ICANON, putTermios, type Termios, TOSTOP, VMIN, VTIME } from '../abi/termios.ts';
import { type TestTask, TestWorld } from '../fs/testing.ts';
import { WaitQueue } from '../task/wait.ts';
import type { Tty } from './tty.ts';

class Console extends TestWorld {
  shown = '';
  room = Number.POSITIVE_INFINITY;
  readonly writable: WaitQueue = new WaitQueue();
  readonly tty: Tty;

  constructor() {
    super();
    this.tty = this.side.addConsole({
      writable: this.writable,
      write: (bytes) => {
        const taken = Math.min(bytes.length, this.room);
        this.room -= taken;
        this.shown += toByteString(bytes.subarray(0, taken));
        return taken;
      },
    });
    const root = this.task(1);
    root.call('mkdir', '/dev', 0o755);
    root.call('mount', 'dev', '/dev', 'devtmpfs', 0, 0);
  }

  type(text: string): number {
    return this.tty.receive(fromByteString(text));
  }

  /** A task with the console as descriptor 0. */
  reader(flags = O_RDWR): TestTask {
    const task = this.task();
    expect(task.call('open', '/dev/hvc0', flags)).toBe(0);
    return task;
  }
}

function change(task: TestTask, fd: number, edit: (termios: Termios) => Partial<Termios>): void {
  const va = task.allocate(64);
  expect(task.call('ioctl', fd, TCGETS, va)).toBe(0);
  const termios = getTermios(task.user.bytes.slice(va, va + 36));
  task.user.write(va, putTermios({ ...termios, ...edit(termios) }));
  expect(task.call('ioctl', fd, TCSETS, va)).toBe(0);
}

function raw(min: number, time: number) {
  return ({ lflag, cc }: Termios): Partial<Termios> => {
    const changed = cc.slice();
    changed[VMIN] = min;
    changed[VTIME] = time;
    return { lflag: lflag & ~ICANON, cc: changed };
  };
}

describe('reading a console', () => {
  it('gives a line when it is ended, and end of file for ^D', () => {
    const world = new Console();
    const task = world.reader();
    const reading = task.start('read', 0, 8192, 100);
    world.type('hel');
    expect(reading.result).toBeUndefined();
    world.type('lo\r');
    expect(reading.result).toBe(6);
    expect(world.shown).toBe('hello\r\n');
    world.type('\x04');
    expect(task.readText(0)).toBe('');
  });

  it('in raw mode waits for VMIN bytes', () => {
    const world = new Console();
    const task = world.reader();
    change(task, 0, raw(3, 0));
    const reading = task.start('read', 0, 8192, 100);
    world.type('ab');
    expect(reading.result).toBeUndefined();
    world.type('c');
    expect(reading.result).toBe(3);
  });

  it('in raw mode with VTIME gives up after the time', () => {
    const world = new Console();
    const task = world.reader();
    change(task, 0, raw(0, 5));
    const reading = task.start('read', 0, 8192, 100);
    expect(reading.sleep?.deadline).toBe(world.nowNs + 500_000_000n);
    world.nowNs += 500_000_000n;
    reading.wake('timeout');
    expect(reading.result).toBe(0);
    change(task, 0, raw(0, 0));
    expect(task.readText(0)).toBe('');
  });

  it('takes no more than there is room for, and lines wait to be read', () => {
    const world = new Console();
    const task = world.reader();
    let typed = 0;
    const line = `${'x'.repeat(99)}\n`;
    while (world.type(line) === line.length) typed++;
    expect(typed).toBe(40);
    expect(task.readText(0)).toBe(line);
    expect(world.type(line)).toBeGreaterThan(0);
    const va = task.allocate(4);
    task.call('ioctl', 0, TCFLSH, 0);
    task.call('ioctl', 0, FIONREAD, va);
    expect(task.user.read32(va)).toBe(0);
  });
});

describe('writing to a console', () => {
  it('waits for a line that is slow', () => {
    const world = new Console();
    const task = world.reader();
    world.room = 10;
    const writing = task.start('write', 0, 'y'.repeat(30000), 30000);
    expect(writing.result).toBeUndefined();
    world.room = Number.POSITIVE_INFINITY;
    world.writable.wakeAll();
    expect(writing.result).toBe(30000);
    expect(world.shown).toBe('y'.repeat(30000));
    world.room = 0;
    task.files.get(0)!.flags |= O_NONBLOCK;
    expect(task.writeText(0, 'z'.repeat(30000))).toBeLessThan(30000);
    expect(task.writeText(0, 'z')).toBe(-E.AGAIN);
  });

  it('stops at ^S and goes on at ^Q', () => {
    const world = new Console();
    const task = world.reader();
    world.type('\x13');
    task.writeText(0, 'later');
    expect(world.shown).toBe('');
    world.type('\x11');
    expect(world.shown).toBe('later');
  });
});

describe('job control', () => {
  it('the first open by a session leader makes the controlling terminal, O_NOCTTY and /dev/console do not', () => {
    const world = new Console();
    const task = world.reader(O_RDWR | O_NOCTTY);
    expect(task.caller.terminal).toBeUndefined();
    task.call('open', '/dev/console', O_RDWR);
    expect(task.caller.terminal).toBeUndefined();
    expect(task.call('open', '/dev/tty', O_RDWR)).toBe(-E.NXIO);
    task.call('open', '/dev/hvc0', O_RDWR);
    expect(task.caller.terminal).toBe(world.tty);
    expect(task.call('open', '/dev/tty', O_RDWR)).toBeGreaterThan(0);
    const va = task.allocate(4);
    task.call('ioctl', 0, TIOCGSID, va);
    expect(task.user.read32(va)).toBe(task.caller.pid);
    expect(world.task().call('open', '/dev/tty', O_RDWR)).toBe(-E.NXIO);
  });

  it('^C signals the foreground group, whichever that is', () => {
    const world = new Console();
    const shell = world.reader();
    const job = world.task();
    job.caller.sid = shell.caller.sid;
    const va = shell.allocate(4);
    world.type('\x03');
    shell.user.write32(va, job.caller.pgid);
    expect(shell.call('ioctl', 0, TIOCSPGRP, va)).toBe(0);
    world.type('\x03');
    expect([shell.signals, job.signals]).toEqual([[SIGINT], [SIGINT]]);
    shell.user.write32(va, 999);
    expect(shell.call('ioctl', 0, TIOCGPGRP, va)).toBe(0);
    expect(shell.user.read32(va)).toBe(job.caller.pgid);
  });

  it('a background group is stopped when it reads, or writes with TOSTOP', () => {
    const world = new Console();
    const shell = world.reader();
    const job = world.task();
    job.caller.sid = shell.caller.sid;
    job.files.add(shell.files.get(0)!, false);
    expect(job.start('read', 0, 8192, 1).result).toBe(-E.RESTARTSYS);
    expect(job.signals).toEqual([SIGTTIN]);
    expect(job.writeText(0, 'x')).toBe(1);
    change(shell, 0, ({ lflag }) => ({ lflag: lflag | TOSTOP }));
    expect(job.writeText(0, 'x')).toBe(-E.RESTARTSYS);
    expect(job.signals).toEqual([SIGTTIN, SIGTTOU]);
    job.ignored = true;
    expect(job.writeText(0, 'x')).toBe(1);
    expect(job.readText(0)).toBe(-E.IO);
    job.ignored = false;
    job.orphaned = true;
    expect(job.readText(0)).toBe(-E.IO);
  });

  it('TIOCSCTTY is for session leaders without one, TIOCNOTTY gives it up', () => {
    const world = new Console();
    const one = world.reader();
    const two = world.reader();
    expect(two.call('ioctl', 0, TIOCSCTTY, 0)).toBe(-E.PERM);
    expect(one.call('ioctl', 0, TIOCNOTTY, 0)).toBe(0);
    expect(one.signals).toEqual([SIGHUP, SIGCONT]);
    expect(two.call('ioctl', 0, TIOCSCTTY, 0)).toBe(0);
    expect(two.caller.terminal).toBe(world.tty);
    expect(one.call('ioctl', 0, TIOCGPGRP, 8192)).toBe(-E.NOTTY);
  });

  it('hanging up ends readers, kills writers, and the next open starts anew', () => {
    const world = new Console();
    const task = world.reader();
    const reading = task.start('read', 0, 8192, 1);
    world.tty.hangUp();
    expect(reading.result).toBe(0);
    expect(task.writeText(0, 'x')).toBe(-E.IO);
    expect(task.call('ioctl', 0, TCGETS, 8192)).toBe(-E.IO);
    expect(world.reader().writeText(0, 'fresh')).toBe(5);
  });

  it('a change of the window signals SIGWINCH to the foreground', () => {
    const world = new Console();
    const task = world.reader();
    const va = task.allocate(8);
    task.user.write(va, new Uint8Array([24, 0, 80, 0, 0, 0, 0, 0]));
    task.call('ioctl', 0, TIOCSWINSZ, va);
    task.call('ioctl', 0, TIOCSWINSZ, va);
    expect(task.signals).toEqual([SIGWINCH]);
    task.user.write32(va, 0);
    task.call('ioctl', 0, TIOCGWINSZ, va);
    expect(task.user.read32(va)).toBe(24 + (80 << 16));
  });
});

describe('pty', () => {
  function pair(): { world: Console; master: TestTask; slave: TestTask; name: string } {
    const world = new Console();
    const master = world.task();
    master.call('mount', 'pts', '/dev/pts', 'devpts', 0, 0);
    expect(master.call('open', '/dev/ptmx', O_RDWR)).toBe(0);
    const va = master.allocate(4);
    master.call('ioctl', 0, TIOCGPTN, va);
    const name = `/dev/pts/${master.user.read32(va)}`;
    const slave = world.task();
    expect(slave.call('open', name, O_RDWR)).toBe(-E.IO);
    master.user.write32(va, 0);
    master.call('ioctl', 0, TIOCSPTLCK, va);
    expect(slave.call('open', name, O_RDWR)).toBe(0);
    return { world, master, slave, name };
  }

  it('connects a master and a terminal with line discipline between them', () => {
    const { master, slave } = pair();
    master.writeText(0, 'typed\n');
    expect(slave.readText(0)).toBe('typed\n');
    expect(master.readText(0)).toBe('typed\r\n');
    slave.writeText(0, 'answer\n');
    expect(master.readText(0)).toBe('answer\r\n');
    expect(slave.caller.terminal?.name).toBe('pts/0');
  });

  it('the master reads -EIO after the last slave is gone, the slave hangs up with the master', () => {
    const { master, slave, name } = pair();
    const reading = master.start('read', 0, 8192, 10);
    slave.call('close', 0);
    expect(reading.result).toBe(-E.IO);
    const va = master.allocate(8);
    master.user.write32(va, 0);
    master.user.write32(va + 4, POLLIN);
    master.call('poll', va, 1, 0);
    expect(master.user.read32(va + 4)! >>> 16).toBe(POLLHUP);
    slave.call('open', name, O_RDWR);
    const waiting = slave.start('read', 0, 8192, 10);
    master.call('close', 0);
    expect(waiting.result).toBe(0);
    expect(slave.signals).toEqual([SIGHUP, SIGCONT]);
    expect(slave.call('open', name, O_RDONLY)).toBe(-E.NOENT);
  });

  it('whoever has the master has no say in which group is interrupted, unless the terminal is its own', () => {
    const { master, slave } = pair();
    const va = master.allocate(4);
    master.user.write32(va, slave.caller.pgid);
    expect(master.call('ioctl', 0, TIOCSPGRP, va)).toBe(-E.NOTTY);
    slave.call('ioctl', 0, TIOCNOTTY, 0);
    slave.signals.length = 0;
    expect(master.call('ioctl', 0, TIOCSPGRP, va)).toBe(-E.NOTTY);
    master.writeText(0, '\x03');
    expect(slave.signals).toEqual([]);
  });

  it('whoever types without end gives others their turn, and a signal ends it', () => {
    const { master } = pair();
    const typed = 'x'.repeat(100_000);
    const typing = master.start('write', 0, typed, typed.length);
    expect(typing.sleep).toMatchObject({ queues: [], deadline: master.monotonicNs() + 1n });
    for (let turns = 1; typing.result === undefined; turns++) {
      expect(turns).toBeLessThan(10);
      typing.wake('timeout');
    }
    expect(typing.result).toBe(typed.length);
    const interrupted = master.start('write', 0, typed, typed.length);
    interrupted.wake('signal');
    expect(interrupted.result).toBe(16_384);
  });

  it('holds a writer that nobody reads', () => {
    const { master, slave } = pair();
    const writing = slave.start('write', 0, 'x'.repeat(200000), 200000);
    expect(writing.result).toBeUndefined();
    let got = 0;
    while (writing.result === undefined) got += (master.readText(0, 65536) as string).length;
    while (got < 200000) got += (master.readText(0, 65536) as string).length;
    expect([writing.result, got]).toEqual([200000, 200000]);
  });
});
