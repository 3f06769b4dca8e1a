/** Who may do what to a file. Source: Linux fs/namei.c (generic_permission, check_sticky), fs/attr.c. */
import { CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER } from '../abi/capability.ts';
import { E } from '../abi/errno.ts';
import { isDirectory, S_ISVTX } from '../abi/stat.ts';
import type { Credentials, Inode } from './types.ts';

export const MAY_EXEC = 1;
export const MAY_WRITE = 2;
export const MAY_READ = 4;

/** Whether `cred` has a capability now. @param capability one of abi/capability.ts */
export function capable(cred: Credentials, capability: bigint): boolean {
  return (cred.caps.effective & capability) !== 0n;
}

type Owned = Pick<Inode, 'mode' | 'uid' | 'gid'>;

export function isInGroup(cred: Credentials, gid: number): boolean {
  return cred.fsgid === gid || cred.groups.includes(gid);
}

/** @param wanted MAY_* bits. @returns 0 or -EACCES */
export function checkAccess(inode: Owned, cred: Credentials, wanted: number): number {
  let granted = inode.mode;
  if (cred.fsuid === inode.uid) granted >>= 6;
  else if (isInGroup(cred, inode.gid)) granted >>= 3;
  if ((granted & wanted) === wanted) return 0;
  const isReading = (wanted & MAY_WRITE) === 0 && (isDirectory(inode) || (wanted & MAY_EXEC) === 0);
  if (isReading && capable(cred, CAP_DAC_READ_SEARCH)) return 0;
  const needsX = (wanted & MAY_EXEC) !== 0 && !isDirectory(inode) && (inode.mode & 0o111) === 0;
  return !needsX && capable(cred, CAP_DAC_OVERRIDE) ? 0 : -E.ACCES;
}

/** May `cred` act as the owner (chmod, utimes to a given time)? */
export function actsAsOwner(inode: Owned, cred: Credentials): boolean {
  return cred.fsuid === inode.uid || capable(cred, CAP_FOWNER);
}

/** May `cred` remove `victim` from `dir`: write permission, and in a sticky directory ownership. @returns 0, -EACCES or -EPERM */
export function checkRemoval(dir: Owned, victim: Owned, cred: Credentials): number {
  const denied = checkAccess(dir, cred, MAY_WRITE | MAY_EXEC);
  if (denied < 0) return denied;
  const sticky = (dir.mode & S_ISVTX) !== 0;
  return sticky && !actsAsOwner(victim, cred) && cred.fsuid !== dir.uid ? -E.PERM : 0;
}
