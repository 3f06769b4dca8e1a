/** The commands of terminals. Source: tty_ioctl(4). */
import { CAP_SYS_ADMIN } from '../abi/capability.ts';
import { E } from '../abi/errno.ts';
import {
  FIONREAD,
  TCFLSH,
  TCGETA,
  TCGETS,
  TCSBRK,
  TCSBRKP,
  TCSETA,
  TCSETAF,
  TCSETAW,
  TCSETS,
  TCSETSF,
  TCSETSW,
  TCXONC,
  TIOCCONS,
  TIOCEXCL,
  TIOCGDEV,
  TIOCGETD,
  TIOCGPGRP,
  TIOCGSID,
  TIOCGWINSZ,
  TIOCNOTTY,
  TIOCNXCL,
  TIOCOUTQ,
  TIOCSCTTY,
  TIOCSPGRP,
  TIOCSTI,
  TIOCSWINSZ,
} from '../abi/ioctl.ts';
import { SIGCONT, SIGHUP, SIGTTOU } from '../abi/signal-numbers.ts';
import { getTermio, getTermios, putTermio, putTermios, TERMIO_BYTES, TERMIOS_BYTES } from '../abi/termios.ts';
import { capable } from '../fs/permissions.ts';
import type { Caller, UserMemory } from '../fs/types.ts';
import type { Op } from '../task/wait.ts';
import { makeControlling, mayUse } from './job-control.ts';
import type { Tty } from './tty.ts';

/**
 * @param tty whose file this is; @param peer the slave, if `tty` is reached through its master
 * @param master the file is the master of a pty: it is never background
 */
export function* ttyIoctl(
  tty: Tty,
  peer: Tty,
  cmd: number,
  arg: number,
  user: UserMemory,
  caller: Caller,
  master: boolean,
): Op<number> {
  const put = (bytes: Uint8Array) => (user.write(arg, bytes) ? 0 : -E.FAULT);
  const put32 = (value: number) => (user.write32(arg, value) ? 0 : -E.FAULT);
  switch (cmd) {
    case TCGETS:
      return put(putTermios(peer.termios));
    case TCGETA:
      return put(putTermio(peer.termios));
    case TCSETS:
    case TCSETSW:
    case TCSETSF:
    case TCSETA:
    case TCSETAW:
    case TCSETAF:
      return yield* setTermios(peer, cmd, arg, user, caller, master);
    case TIOCGWINSZ: {
      const { rows, columns, xPixels, yPixels } = peer.windowSize;
      return put(new Uint8Array(new Uint16Array([rows, columns, xPixels, yPixels]).buffer));
    }
    case TIOCSWINSZ: {
      const bytes = new Uint8Array(8);
      if (!user.read(arg, bytes)) return -E.FAULT;
      const [rows, columns, xPixels, yPixels] = new Uint16Array(bytes.buffer);
      peer.setWindowSize({ rows: rows!, columns: columns!, xPixels: xPixels!, yPixels: yPixels! });
      return 0;
    }
    case TIOCGPGRP:
      return !master && caller.terminal !== tty ? -E.NOTTY : put32(peer.foreground);
    case TIOCSPGRP:
      return setForeground(peer, arg, user, caller);
    case TIOCGSID:
      return (!master && caller.terminal !== tty) || peer.session === 0 ? -E.NOTTY : put32(peer.session);
    case TIOCSCTTY:
      return setControlling(tty, arg, caller);
    case TIOCNOTTY:
      return giveUp(tty, caller);
    case FIONREAD:
      return put32(tty.input.available);
    case TIOCOUTQ:
      return put32(tty.output.length);
    case TIOCSTI: {
      const byte = new Uint8Array(1);
      if (caller.terminal !== tty && !capable(caller.cred, CAP_SYS_ADMIN)) return -E.PERM;
      if (!user.read(arg, byte)) return -E.FAULT;
      tty.receive(byte);
      return 0;
    }
    case TCFLSH:
      return flush(tty, arg);
    case TCXONC:
      if (arg > 3) return -E.INVAL;
      if (arg < 2) tty.setStopped(arg === 0);
      return 0;
    case TCSBRK:
    case TCSBRKP:
      return yield* drain(tty);
    case TIOCGDEV:
      return put32(tty.rdev);
    case TIOCGETD:
      return put32(0);
    case TIOCEXCL:
    case TIOCNXCL:
      tty.exclusive = cmd === TIOCEXCL;
      return 0;
    case TIOCCONS:
      return capable(caller.cred, CAP_SYS_ADMIN) ? 0 : -E.PERM;
    default:
      return -E.NOTTY;
  }
}

function* setTermios(
  tty: Tty,
  cmd: number,
  arg: number,
  user: UserMemory,
  caller: Caller,
  master: boolean,
): Op<number> {
  const refused = master ? 0 : mayUse(tty, caller, SIGTTOU);
  if (refused < 0) return refused;
  const old = cmd === TCSETA || cmd === TCSETAW || cmd === TCSETAF;
  const bytes = new Uint8Array(old ? TERMIO_BYTES : TERMIOS_BYTES);
  if (!user.read(arg, bytes)) return -E.FAULT;
  if (cmd !== TCSETS && cmd !== TCSETA) {
    const drained = yield* drain(tty);
    if (drained < 0) return drained;
  }
  if (cmd === TCSETSF || cmd === TCSETAF) tty.flushInput();
  tty.setTermios(old ? getTermio(bytes, tty.termios) : getTermios(bytes));
  return 0;
}

function* drain(tty: Tty): Op<number> {
  while (tty.output.length > 0) {
    const wake = yield { queues: [tty.writable], interruptible: true };
    if (wake === 'signal') return -E.RESTARTSYS;
  }
  return 0;
}

function setForeground(tty: Tty, arg: number, user: UserMemory, caller: Caller): number {
  // By the master's descriptor too: else whoever has a pty could interrupt groups of others with it.
  if (caller.terminal !== tty || tty.session !== caller.sid) return -E.NOTTY;
  const refused = mayUse(tty, caller, SIGTTOU);
  if (refused < 0) return refused;
  const pgid = user.read32(arg);
  if (pgid === undefined) return -E.FAULT;
  if ((pgid | 0) < 0) return -E.INVAL;
  const session = caller.sessionOfGroup(pgid);
  if (session === undefined) return -E.SRCH;
  if (session !== tty.session) return -E.PERM;
  tty.foreground = pgid;
  return 0;
}

function setControlling(tty: Tty, steal: number, caller: Caller): number {
  if (caller.isSessionLeader() && caller.terminal === tty && tty.session === caller.sid) return 0;
  if (!caller.isSessionLeader() || caller.terminal !== undefined) return -E.PERM;
  if (tty.session !== 0 && (steal !== 1 || !capable(caller.cred, CAP_SYS_ADMIN))) return -E.PERM;
  makeControlling(tty, caller);
  return 0;
}

function giveUp(tty: Tty, caller: Caller): number {
  if (caller.terminal !== tty) return -E.NOTTY;
  if (caller.isSessionLeader()) {
    const { foreground } = tty;
    tty.session = 0;
    tty.foreground = 0;
    caller.setTerminal(undefined);
    if (foreground !== 0) {
      caller.signalGroup(foreground, SIGHUP);
      caller.signalGroup(foreground, SIGCONT);
    }
  }
  return 0;
}

function flush(tty: Tty, which: number): number {
  if (which > 2) return -E.INVAL;
  if (which !== 1) tty.flushInput();
  if (which !== 0) tty.flushOutput();
  return 0;
}
