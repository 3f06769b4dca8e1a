/** The root file system from a disk: root= on the command line. */
import { E } from '../abi/errno.ts';
import { MS_RDONLY } from '../abi/mount.ts';
import { mount } from '../fs/mounting.ts';
import { makeDirectory } from '../fs/tree-changes.ts';
import type { ByteString } from '../fs/types.ts';
import { Walk } from '../fs/walk.ts';
import type { Kernel } from '../kernel.ts';
import type { Task } from '../task/task.ts';
import type { Op } from '../task/wait.ts';

/** How long a disk may take to appear. */
const PATIENCE_NS = 10_000_000_000n;
const TYPES = ['ext4', 'ext3', 'ext2'];
const MODE = 0o755;
/** Where the disk is mounted in the first root. */
const MOUNT_POINT = '/root';

/**
 * Mounts the root file system and makes it the task's root, with /dev in it if it has such a directory.
 * @returns 0, or -errno with the reason in the log
 */
export function* mountRoot(kernel: Kernel, task: Task, device: ByteString): Op<number> {
  const { options, log } = kernel;
  const name = device.replace(/^\/dev\//, '');
  const deadline = kernel.clock.now() + PATIENCE_NS;
  while (!(yield* exists(task, `/dev/${name}`))) {
    if (kernel.clock.now() >= deadline) {
      log.print(`VFS: Cannot open root device "${device}": it does not appear`, 3);
      return -E.NXIO;
    }
    yield { queues: [kernel.disksChanged], deadline, interruptible: false };
  }
  yield* makeDirectory(task, task.fs.root, MOUNT_POINT, MODE);
  const flags = options.readonly ? MS_RDONLY : 0;
  for (const type of options.rootType === null ? TYPES : [options.rootType]) {
    const wanted = { source: `/dev/${name}`, at: MOUNT_POINT, type, data: options.rootFlags };
    let rc = yield* mountAt(task, { ...wanted, flags });
    // What cannot be written can be read, perhaps.
    if (rc === -E.ROFS || rc === -E.ACCES) rc = yield* mountAt(task, { ...wanted, flags: MS_RDONLY });
    if (rc < 0) continue;
    const root = yield* new Walk(task).find(task.fs.root, MOUNT_POINT, true);
    if (typeof root === 'number') return root;
    log.print(`VFS: Mounted root (${type} filesystem) on ${device}`);
    task.fs.root = root;
    task.fs.cwd = root;
    yield* mountAt(task, { source: 'devtmpfs', at: '/dev', type: 'devtmpfs', flags: 0, data: '' });
    return 0;
  }
  log.print(`VFS: Cannot mount root file system on ${device}`, 3);
  return -E.INVAL;
}

function* exists(task: Task, path: ByteString): Op<boolean> {
  return typeof (yield* new Walk(task).find(task.fs.root, path, true)) !== 'number';
}

interface Wanted {
  readonly source: ByteString;
  readonly at: ByteString;
  readonly type: ByteString;
  readonly flags: number;
  readonly data: ByteString;
}

function* mountAt(task: Task, { source, at, type, flags, data }: Wanted): Op<number> {
  const target = yield* new Walk(task).find(task.fs.root, at, true);
  return typeof target === 'number' ? target : yield* mount(task, { source, target, type, flags, data });
}
