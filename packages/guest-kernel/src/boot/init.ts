/** The first process. */
import { E } from '../abi/errno.ts';
import { O_RDWR } from '../abi/fcntl.ts';
import { FdTable } from '../fs/fd-table.ts';
import { retain } from '../fs/file-handle.ts';
import { ROOT_CREDENTIALS } from '../fs/kernel-caller.ts';
import { makeDirectory } from '../fs/tree-changes.ts';
import { Walk } from '../fs/walk.ts';
import type { Kernel } from '../kernel.ts';
import { execute } from '../task/exec.ts';
import { type Limits, Process } from '../task/process.ts';
import { SignalActions } from '../task/signal-state.ts';
import { Task } from '../task/task.ts';
import type { Op } from '../task/wait.ts';
import { mountRoot } from './root.ts';

const CANDIDATES = ['/init', '/sbin/init', '/etc/init', '/bin/init', '/bin/sh'];
const ENVIRONMENT = ['HOME=/', 'TERM=linux'];
const INFINITY = Number.POSITIVE_INFINITY;
const STACK_BYTES = 8 << 20;
const MAX_FILES = 1024;
const MAX_FILES_HARD = 4096;
const MAX_PROCESSES = 8192;

/** Soft and hard limits of the first process, by RLIMIT_ number. Source: include/asm-generic/resource.h, INIT_RLIMITS. */
function firstLimits(): Limits {
  const limits: Limits = Array.from({ length: 16 }, () => [INFINITY, INFINITY]);
  limits[3] = [STACK_BYTES, INFINITY];
  limits[4] = [0, INFINITY];
  limits[6] = [MAX_PROCESSES, MAX_PROCESSES];
  limits[7] = [MAX_FILES, MAX_FILES_HARD];
  limits[8] = [65_536, 65_536];
  limits[11] = [MAX_PROCESSES, MAX_PROCESSES];
  limits[12] = [819_200, 819_200];
  limits[13] = [0, 0];
  limits[14] = [0, 0];
  return limits;
}

/** Makes process 1, which begins with finding its program. */
export function startInit(kernel: Kernel): void {
  const pid = kernel.processes.newPid();
  const process = new Process(pid, null, {
    memory: kernel.user.space,
    actions: new SignalActions(),
    session: { id: 0, terminal: undefined },
    pgid: 0,
    limits: firstLimits(),
    exitSignal: 0,
    startedNs: kernel.clock.now(),
  });
  const task = new Task(kernel, pid, process, {
    cred: ROOT_CREDENTIALS,
    files: new FdTable(MAX_FILES, kernel.files.vfs.holdings),
    fs: kernel.files.newContext(),
  });
  process.unkillable = true;
  kernel.processes.processes.set(pid, process);
  kernel.processes.tasks.set(pid, task);
  task.op = findInit(kernel, task);
  kernel.scheduler.enqueue(task);
}

function* findInit(kernel: Kernel, task: Task): Op<number> {
  const { vfs } = task.fs;
  if (!kernel.files.mountDev()) {
    yield* makeDirectory(task, task.fs.root, '/dev', 0o755);
    kernel.files.mountDev();
  }
  const { root } = kernel.options;
  const hasInit = typeof (yield* new Walk(task).find(task.fs.root, '/init', true)) !== 'number';
  if (root !== null && !hasInit) {
    const rc = yield* mountRoot(kernel, task, root);
    if (rc < 0) {
      kernel.panic(`VFS: Unable to mount root fs on ${root}`);
      return rc;
    }
  }
  const console = yield* vfs.open(task, task.fs.root, '/dev/console', O_RDWR, 0);
  if (typeof console === 'number') kernel.log.print('Warning: unable to open an initial console.', 4);
  else {
    task.files.add(console, false);
    task.files.add(retain(console), false);
    task.files.add(retain(console), false);
  }
  const { init, initArguments, initEnvironment } = kernel.options;
  const envp = [...ENVIRONMENT, ...initEnvironment];
  for (const path of init === null ? CANDIDATES : [init]) {
    const rc = yield* execute(kernel, task, task.fs.root, path, { argv: [path, ...initArguments], envp });
    if (rc === 0) {
      kernel.log.print(`Run ${path} as init process`);
      return 0;
    }
    if (rc !== -E.NOENT || init !== null) kernel.log.print(`Starting init: ${path} fails: error ${rc}`, 3);
  }
  kernel.panic(init === null ? 'No working init found.' : `Requested init ${init} failed.`);
  return 0;
}
