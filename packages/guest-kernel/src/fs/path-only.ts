/** What open with O_PATH gives: a place in the tree, nothing to read or write. */
import { E } from '../abi/errno.ts';
import { POLLNVAL } from '../abi/fcntl.ts';
import type { Op } from '../task/wait.ts';
import { BaseHandle } from './file-handle.ts';

export class PathOnly extends BaseHandle {
  readonly kind = 'anonymous';

  override *read(): Op<number> {
    return -E.BADF;
  }

  override *write(): Op<number> {
    return -E.BADF;
  }

  override poll(): number {
    return POLLNVAL;
  }

  override *ioctl(): Op<number> {
    return -E.BADF;
  }
}
