/** How capabilities change with users and programs. Source: capabilities(7), linux security/commoncap.c */
import { FILE_CAPABILITIES, NO_CAPABILITIES } from '../abi/capability.ts';
import type { Credentials } from '../fs/types.ts';

/** SECBIT_KEEP_CAPS: of PR_SET_KEEPCAPS. */
export const SECBIT_KEEP_CAPS = 0x10;
const SECBIT_NOROOT = 1;
const SECBIT_NO_SETUID_FIXUP = 4;

/** `before` with other users: capabilities go with the last user 0, and its effective ones as long as it is not the effective one. */
export function withUsers(
  before: Credentials,
  users: Pick<Credentials, 'uid' | 'euid' | 'suid' | 'fsuid'>,
): Credentials {
  const after = { ...before, ...users };
  if (before.caps.securebits & SECBIT_NO_SETUID_FIXUP) return after;
  const caps = { ...before.caps };
  const hadRoot = [before.uid, before.euid, before.suid].includes(0);
  if (hadRoot && ![after.uid, after.euid, after.suid].includes(0)) {
    if (!(caps.securebits & SECBIT_KEEP_CAPS)) caps.permitted = caps.effective = NO_CAPABILITIES;
    caps.ambient = NO_CAPABILITIES;
  }
  if (before.euid === 0 && after.euid !== 0) caps.effective = NO_CAPABILITIES;
  if (before.euid !== 0 && after.euid === 0) caps.effective = caps.permitted;
  return { ...after, caps };
}

/** `before` with another user for files only. */
export function withFileUser(before: Credentials, fsuid: number): Credentials {
  const caps = { ...before.caps };
  if (!(caps.securebits & SECBIT_NO_SETUID_FIXUP)) {
    if (before.fsuid === 0 && fsuid !== 0) caps.effective &= ~FILE_CAPABILITIES;
    if (before.fsuid !== 0 && fsuid === 0) caps.effective |= caps.permitted & FILE_CAPABILITIES;
  }
  return { ...before, fsuid, caps };
}

/** What a program begins with. @param set-user-ID and set-group-ID bits, as far as they count, have been applied to `cred` already */
export function forProgram(cred: Credentials, isSetId: boolean): Credentials {
  const before = cred.caps;
  const ambient = isSetId ? NO_CAPABILITIES : before.ambient;
  const caps = { ...before, permitted: ambient, effective: ambient, ambient };
  caps.securebits &= ~SECBIT_KEEP_CAPS;
  if (!(before.securebits & SECBIT_NOROOT)) {
    if (cred.uid === 0 || cred.euid === 0) caps.permitted = before.bounding | before.inheritable;
    if (cred.euid === 0) caps.effective = caps.permitted;
  }
  return { ...cred, caps };
}

/** What access(2) works with: the real user and group. */
export function realCredentials(cred: Credentials): Credentials {
  const { caps } = cred;
  const effective = cred.uid === 0 ? caps.permitted : NO_CAPABILITIES;
  return { ...cred, fsuid: cred.uid, fsgid: cred.gid, caps: { ...caps, effective } };
}
