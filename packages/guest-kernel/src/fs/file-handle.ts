/** Open file descriptions: how they are counted, and what most of them have in common. */

import { E } from '../abi/errno.ts';
import { POLL_ALWAYS } from '../abi/fcntl.ts';
import type { Op, WaitQueue } from '../task/wait.ts';
import { notifyClosed } from './notify.ts';
import { unpin } from './pins.ts';
import type { Caller, FileHandle, Inode, Path, UserMemory } from './types.ts';

/** One more holder of an open file. */
export function retain(handle: FileHandle): FileHandle {
  handle.refs++;
  return handle;
}

/** One holder fewer; after the last the file is closed. */
export function letGo(handle: FileHandle): void {
  handle.refs--;
  if (handle.refs > 0) return;
  notifyClosed(handle);
  handle.inode?.locks?.releaseOwner(handle);
  handle.release();
  if (handle.path !== undefined) unpin(handle.path);
}

/** A file that refuses everything; kinds of file override what they know. */
export abstract class BaseHandle implements FileHandle {
  refs = 1;
  pos = 0;
  flags: number;
  path: Path | undefined;
  readonly inode: Inode | undefined;
  abstract readonly kind: FileHandle['kind'];

  constructor(inode: Inode | undefined, flags: number) {
    this.inode = inode;
    this.flags = flags;
  }

  get pollQueues(): readonly WaitQueue[] {
    return [];
  }

  *read(_into: Uint8Array, _pos: number | undefined, _caller: Caller): Op<number> {
    return -E.INVAL;
  }

  *write(_from: Uint8Array, _pos: number | undefined, _caller: Caller): Op<number> {
    return -E.INVAL;
  }

  poll(): number {
    return POLL_ALWAYS;
  }

  *ioctl(_cmd: number, _arg: number, _user: UserMemory, _caller: Caller): Op<number> {
    return -E.NOTTY;
  }

  release(): void {}
}
