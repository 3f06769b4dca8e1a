/** pidfd_open(2): a process as a file; readable once it has ended. */
import { O_NONBLOCK, O_RDWR, POLLIN } from '../abi/fcntl.ts';
import { BaseHandle } from '../fs/file-handle.ts';
import type { FileHandle } from '../fs/types.ts';
import type { Process } from '../task/process.ts';
import type { WaitQueue } from '../task/wait.ts';

export class PidFile extends BaseHandle {
  readonly kind: FileHandle['kind'] = 'anonymous';
  readonly label = 'anon_inode:[pidfd]';
  readonly process: Process;

  constructor(process: Process, nonblock: boolean) {
    super(undefined, O_RDWR | (nonblock ? O_NONBLOCK : 0));
    this.process = process;
  }

  override get pollQueues(): readonly WaitQueue[] {
    return [this.process.ended];
  }

  override poll(): number {
    return this.process.ending === null ? 0 : POLLIN;
  }
}
