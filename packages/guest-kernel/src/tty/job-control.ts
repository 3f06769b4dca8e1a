/** Which processes a terminal obeys. Source: credentials(7), termios(3), Linux drivers/tty/tty_jobctrl.c. */
import { E } from '../abi/errno.ts';
import { O_NOCTTY } from '../abi/fcntl.ts';
import { SIGTTOU } from '../abi/signal-numbers.ts';
import type { Caller } from '../fs/types.ts';
import type { Tty } from './tty.ts';

/**
 * Job control: may the caller use its controlling terminal? A background group is stopped by `signal` instead.
 * @returns 0, -ERESTARTSYS after signalling, or -EIO where stopping is no use
 */
export function mayUse(tty: Tty, caller: Caller, signal: number): number {
  if (caller.terminal !== tty || tty.foreground === 0 || caller.pgid === tty.foreground) return 0;
  if (caller.ignoresOrBlocks(signal)) return signal === SIGTTOU ? 0 : -E.IO;
  if (caller.inOrphanedGroup()) return -E.IO;
  caller.signalGroup(caller.pgid, signal);
  return -E.RESTARTSYS;
}

/** Opening without O_NOCTTY gives a session leader that has none its controlling terminal. */
export function adoptTerminal(tty: Tty, flags: number, caller: Caller): void {
  if ((flags & O_NOCTTY) !== 0 || !caller.isSessionLeader() || caller.terminal !== undefined) return;
  if (tty.session !== 0) return;
  makeControlling(tty, caller);
}

export function makeControlling(tty: Tty, caller: Caller): void {
  tty.session = caller.sid;
  tty.foreground = caller.pgid;
  caller.setTerminal(tty);
}
