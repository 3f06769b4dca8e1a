/** How the system comes to its end, from inside or asked from outside. */
import { FdTable } from '../fs/fd-table.ts';
import { ROOT_CREDENTIALS } from '../fs/kernel-caller.ts';
import type { ByteString } from '../fs/types.ts';
import type { Kernel } from '../kernel.ts';
import { AddressSpace } from '../mm/address-space.ts';
import { execute } from './exec.ts';
import { Process } from './process.ts';
import { SignalActions } from './signal-state.ts';
import { Task } from './task.ts';
import type { Op } from './wait.ts';

const SIGTERM = 15;
const SIGKILL = 9;
const NS_PER_SECOND = 1_000_000_000n;
/** How long a user space that was asked to end may take. */
const GRACE_NS: bigint = 10n * NS_PER_SECOND;

/** Soft RLIMIT_NOFILE of a helper. */
const MAX_FILES = 1024;

/** Runs a program as root, as a child of init. @returns 0, or -errno when it cannot be run */
export function runHelper(kernel: Kernel, path: ByteString, done: (rc: number) => void): void {
  const init = kernel.processes.processes.get(1) ?? null;
  const memory = AddressSpace.create(kernel.memoryParts);
  const pid = kernel.processes.newPid();
  if (memory === null || pid < 0 || init === null) return done(-12);
  const process = new Process(pid, init, {
    ...{ memory, actions: new SignalActions(), session: { id: 0, terminal: undefined }, pgid: 0 },
    ...{ limits: init.limits.map(([soft, hard]): [number, number] => [soft, hard]), exitSignal: 17 },
    startedNs: kernel.clock.now(),
  });
  const task = new Task(kernel, pid, process, {
    ...{
      cred: ROOT_CREDENTIALS,
      files: new FdTable(MAX_FILES, kernel.files.vfs.holdings),
      fs: kernel.files.newContext(),
    },
  });
  kernel.processes.processes.set(pid, process);
  kernel.processes.tasks.set(pid, task);
  task.op = begin();
  kernel.scheduler.enqueue(task);

  function* begin(): Op<number> {
    const envp = ['HOME=/', 'TERM=linux', 'PATH=/sbin:/usr/sbin:/bin:/usr/bin'];
    const rc = yield* execute(kernel, task, task.fs.root, path, { argv: [path], envp });
    if (rc < 0) kernel.signals.endProcess(process, 127 << 8);
    done(rc);
    return rc;
  }
}

/** The toolstack wants the domain to end: user space is asked, and after a while not asked any more. */
export function* orderlyShutdown(kernel: Kernel, how: 'poweroff' | 'reboot'): Op<number> {
  kernel.log.print(`The toolstack asks for ${how}`);
  runHelper(kernel, `/sbin/${how}`, () => {});
  yield { queues: [], deadline: kernel.clock.now() + GRACE_NS, interruptible: false };
  for (const signal of [SIGTERM, SIGKILL]) {
    signalAll(kernel, signal);
    yield { queues: [], deadline: kernel.clock.now() + NS_PER_SECOND, interruptible: false };
  }
  return yield* kernel.shutDown(how);
}

export function signalAll(kernel: Kernel, signal: number): void {
  for (const process of kernel.processes.processes.values())
    if (process.pid > 1) kernel.signals.send(process, { signal, code: 0x80 });
}

/** What a magic SysRq key does. Source: Linux Documentation/admin-guide/sysrq.rst. */
export function sysrq(kernel: Kernel, key: string): void {
  const { log, scheduler } = kernel;
  switch (key) {
    case 'b':
      log.print('sysrq: Resetting');
      return kernel.restartNow();
    case 'c':
      return kernel.panic('sysrq triggered crash');
    case 'o':
      log.print('sysrq: Power Off');
      return scheduler.spawn('sysrq-o', kernel.shutDown('poweroff'));
    case 's':
      log.print('sysrq: Emergency Sync');
      return scheduler.spawn('sysrq-s', kernel.syncAll());
    case 'e':
      log.print('sysrq: Terminate All Tasks');
      return signalAll(kernel, SIGTERM);
    case 'i':
      log.print('sysrq: Kill All Tasks');
      return signalAll(kernel, SIGKILL);
    case 'm': {
      const { free, total } = kernel.frames;
      return log.print(`sysrq: Show Memory\n${free * 4} kB free of ${total * 4} kB`);
    }
    case 't': {
      log.print('sysrq: Show State');
      for (const task of kernel.processes.tasks.values())
        log.print(`${task.name.padEnd(15)} ${task.state.padEnd(7)} pid ${task.tid}`);
      return;
    }
    default:
      return log.print(
        'sysrq: HELP : reboot(b) crash(c) terminate-all-tasks(e) kill-all-tasks(i) show-memory-usage(m) poweroff(o) sync(s) show-task-states(t)',
      );
  }
}
