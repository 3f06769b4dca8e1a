import type { XsdError } from '@domu/xen-abi';

/** The errors, by the names that travel in an XS_ERROR reply, that this store has occasion to give. */
export type XsErrno = Exclude<XsdError, 'EISDIR' | 'EIO' | 'ENOTEMPTY' | 'EROFS' | 'EISCONN'>;

/** @returns true when an operation's result is a refusal rather than its value */
export function isXsErrno<T>(result: T | XsErrno): result is XsErrno {
  return typeof result === 'string';
}

/** An in-process caller (toolstack, backend) used the store in a way that dom0 code never may: our bug. */
export class XenStoreUsageError extends Error {
  readonly errno: XsErrno;
  readonly path: string;

  constructor(operation: string, path: string, errno: XsErrno) {
    super(`xenstore ${operation} '${path}': ${errno}`);
    this.name = 'XenStoreUsageError';
    this.errno = errno;
    this.path = path;
  }
}
