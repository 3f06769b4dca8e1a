/** FIFOs: pipes with a name. Opening one end waits for the other. Source: fifo(7). */
import { E } from '../abi/errno.ts';
import { O_ACCMODE, O_NONBLOCK, O_RDONLY, O_WRONLY } from '../abi/fcntl.ts';
import { type Op, sleepOn } from '../task/wait.ts';
import { letGo } from './file-handle.ts';
import type { Holdings } from './holdings.ts';
import { Pipe, PipeEnd } from './pipe.ts';
import type { FileHandle, Inode } from './types.ts';

/** An inode that may carry the pipe of a FIFO. */
interface FifoInode extends Inode {
  pipe?: Pipe | undefined;
  /** Of pipe(2): whoever opens it again waits for nobody. */
  nameless?: boolean;
}

/** The pipe of pipe(2) can be opened again through /proc/PID/fd. */
export function keepPipe(inode: FifoInode, pipe: Pipe): void {
  inode.pipe = pipe;
  inode.nameless = true;
}

/** Errors: -ENXIO for O_WRONLY|O_NONBLOCK without a reader; -ERESTARTSYS */
export function* openFifo(inode: FifoInode, flags: number, holdings: Holdings): Op<FileHandle | number> {
  const access = flags & O_ACCMODE;
  const held = inode.pipe;
  const pipe = held !== undefined && held.readers + held.writers > 0 ? held : new Pipe(holdings);
  inode.pipe = pipe;
  const nonblock = (flags & O_NONBLOCK) !== 0;
  const named = inode.nameless !== true;
  if (named && access === O_WRONLY && nonblock && pipe.readers === 0) return -E.NXIO;
  const end = new PipeEnd(pipe, inode, flags);
  if (nonblock || !named) return end;
  const { readerOpens, writerOpens } = pipe;
  const alone = () =>
    (access === O_RDONLY && pipe.writers === 0 && pipe.writerOpens === writerOpens) ||
    (access === O_WRONLY && pipe.readers === 0 && pipe.readerOpens === readerOpens);
  while (alone()) {
    if ((yield* sleepOn(pipe.changed)) === 'signal') {
      letGo(end);
      return -E.RESTARTSYS;
    }
  }
  return end;
}
