/** Who may do what to a file. Source: Linux fs/namei.c (generic_permission, check_sticky), fs/attr.c. */
import { E } from '../abi/errno.ts';
import { isDirectory, S_ISVTX } from '../abi/stat.ts';
import type { Credentials, Inode } from './types.ts';

export const MAY_EXEC = 1;
export const MAY_WRITE = 2;
export const MAY_READ = 4;

type Owned = Pick<Inode, 'mode' | 'uid' | 'gid'>;

export function isInGroup(cred: Credentials, gid: number): boolean {
  return cred.fsgid === gid || cred.groups.includes(gid);
}

/** @param wanted MAY_* bits. @returns 0 or -EACCES */
export function checkAccess(inode: Owned, cred: Credentials, wanted: number): number {
  if (cred.fsuid === 0) {
    const needsX = (wanted & MAY_EXEC) !== 0 && !isDirectory(inode) && (inode.mode & 0o111) === 0;
    return needsX ? -E.ACCES : 0;
  }
  let granted = inode.mode;
  if (cred.fsuid === inode.uid) granted >>= 6;
  else if (isInGroup(cred, inode.gid)) granted >>= 3;
  return (granted & wanted) === wanted ? 0 : -E.ACCES;
}

/** May `cred` act as the owner (chmod, utimes to a given time)? */
export function ownsOrRoot(inode: Owned, cred: Credentials): boolean {
  return cred.fsuid === 0 || cred.fsuid === inode.uid;
}

/** May `cred` remove `victim` from `dir`: write permission, and in a sticky directory ownership. @returns 0, -EACCES or -EPERM */
export function checkRemoval(dir: Owned, victim: Owned, cred: Credentials): number {
  const denied = checkAccess(dir, cred, MAY_WRITE | MAY_EXEC);
  if (denied < 0) return denied;
  const sticky = (dir.mode & S_ISVTX) !== 0;
  return sticky && !ownsOrRoot(victim, cred) && cred.fsuid !== dir.uid ? -E.PERM : 0;
}

/** The credentials that access(2) uses: the real user and group. */
export function realCredentials(cred: Credentials): Credentials {
  return { ...cred, fsuid: cred.uid, fsgid: cred.gid };
}
