/** Mount options of ext2, ext3 and ext4. Source: ext4(5). */
import type { ByteString } from '../types.ts';

/** What happens when the file system is found broken: nothing, or it is read only from then on. */
export type OnErrors = 'continue' | 'remount-ro';

export interface ExtOptions {
  /** Undefined: what the superblock says. */
  readonly onErrors: OnErrors | undefined;
  /** The journal is not replayed; only for reading. */
  readonly noload: boolean;
  /** As /proc/mounts shows them. */
  readonly shown: string;
}

/** Options that are as they are: nothing else is offered, or nothing depends on them here. */
const ACCEPTED: ReadonlySet<string> = new Set([
  'defaults',
  'acl',
  'noacl',
  'user_xattr',
  'nouser_xattr',
  'barrier',
  'nobarrier',
  'delalloc',
  'nodelalloc',
  'auto_da_alloc',
  'noauto_da_alloc',
  'block_validity',
  'noblock_validity',
  'discard',
  'nodiscard',
  'dioread_lock',
  'dioread_nolock',
  'init_itable',
  'noinit_itable',
  'journal_checksum',
  'journal_async_commit',
  'nojournal_checksum',
  'grpid',
  'nogrpid',
  'bsdgroups',
  'sysvgroups',
  'noquota',
  'quota',
  'usrquota',
  'grpquota',
  'prjquota',
  'nouid32',
  'i_version',
  'lazytime',
  'nolazytime',
  'nombcache',
  'minixdf',
  'bsddf',
  'oldalloc',
  'orlov',
  'check',
  'nocheck',
  'debug',
]);
const ACCEPTED_VALUES =
  /^(?:barrier=[01]|data=(?:ordered|writeback|journal)|data_err=(?:abort|ignore)|commit=\d+|stripe=\d+|inode_readahead_blks=\d+|journal_ioprio=[0-7]|max_batch_time=\d+|min_batch_time=\d+|init_itable=\d+|resuid=\d+|resgid=\d+|check=(?:none|normal|strict)|usrjquota=.*|grpjquota=.*|jqfmt=\w+)$/;

/** @returns the first option that is unknown, as a string, or what they say */
export function parseOptions(data: ByteString): ExtOptions | string {
  let onErrors: OnErrors | undefined;
  let noload = false;
  const shown: string[] = [];
  for (const option of data.split(',')) {
    if (option === '') continue;
    if (option === 'errors=continue') onErrors = 'continue';
    // There is no panic of the machine for a disk's sake.
    else if (option === 'errors=remount-ro' || option === 'errors=panic') onErrors = 'remount-ro';
    else if (option === 'noload' || option === 'norecovery') noload = true;
    else if (!ACCEPTED.has(option) && !ACCEPTED_VALUES.test(option)) return option;
  }
  if (noload) shown.push('norecovery');
  if (onErrors !== undefined) shown.push(`errors=${onErrors}`);
  return { onErrors, noload, shown: shown.join(',') };
}
