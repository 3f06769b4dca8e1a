/** Terminal settings of i386. Source: include/uapi/asm-generic/termbits.h, termios.h. */

export const VINTR = 0;
export const VQUIT = 1;
export const VERASE = 2;
export const VKILL = 3;
export const VEOF = 4;
export const VTIME = 5;
export const VMIN = 6;
export const VSTART = 8;
export const VSTOP = 9;
export const VSUSP = 10;
export const VEOL = 11;
export const VREPRINT = 12;
export const VWERASE = 14;
export const VLNEXT = 15;
export const VEOL2 = 16;
/** Bytes of c_cc. */
const NCCS = 19;

export const ISTRIP = 0o40;
export const INLCR = 0o100;
export const IGNCR = 0o200;
export const ICRNL = 0o400;
export const IUCLC = 0o1000;
export const IXON = 0o2000;
export const IXANY = 0o4000;
export const IMAXBEL = 0o20000;
export const IUTF8 = 0o40000;

export const OPOST = 1;
export const OLCUC = 2;
export const ONLCR = 4;
export const OCRNL = 8;
export const ONOCR = 0o20;
export const ONLRET = 0o40;
export const TABDLY = 0o14000;
export const XTABS = 0o14000;

export const ISIG = 1;
export const ICANON = 2;
export const ECHO = 0o10;
export const ECHOE = 0o20;
export const ECHOK = 0o40;
export const ECHONL = 0o100;
export const NOFLSH = 0o200;
export const TOSTOP = 0o400;
export const ECHOCTL = 0o1000;
export const ECHOKE = 0o4000;
export const IEXTEN = 0o100000;

/** Bytes of struct termios and struct termio. */
export const TERMIOS_BYTES = 36;
export const TERMIO_BYTES = 18;

export interface Termios {
  readonly iflag: number;
  readonly oflag: number;
  readonly cflag: number;
  readonly lflag: number;
  readonly line: number;
  /** Control characters by V* index; 0 is none. */
  readonly cc: Uint8Array;
}

/** What a terminal starts with (tty_std_termios): 38400 baud, 8 bits, cooked. */
export function standardTermios(): Termios {
  const cc = new Uint8Array(NCCS);
  cc.set([3, 0x1c, 0x7f, 0x15, 4, 0, 1, 0, 0x11, 0x13, 0x1a, 0, 0x12, 0x0f, 0x17, 0x16, 0]);
  return { iflag: ICRNL | IXON, oflag: OPOST | ONLCR, cflag: 0o2277, lflag: 0o105073, line: 0, cc };
}

export function putTermios(termios: Termios): Uint8Array {
  const bytes = new Uint8Array(TERMIOS_BYTES);
  const view = new DataView(bytes.buffer);
  const { iflag, oflag, cflag, lflag } = termios;
  for (const [index, flags] of [iflag, oflag, cflag, lflag].entries()) view.setUint32(4 * index, flags, true);
  bytes[16] = termios.line;
  bytes.set(termios.cc, 17);
  return bytes;
}

export function getTermios(bytes: Uint8Array): Termios {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const flags = (index: number) => view.getUint32(4 * index, true);
  const cc = bytes.slice(17, 17 + NCCS);
  return { iflag: flags(0), oflag: flags(1), cflag: flags(2), lflag: flags(3), line: bytes[16]!, cc };
}

/** The old form: 16-bit flags, 8 control characters. */
export function putTermio(termios: Termios): Uint8Array {
  const bytes = new Uint8Array(TERMIO_BYTES);
  const view = new DataView(bytes.buffer);
  const { iflag, oflag, cflag, lflag } = termios;
  for (const [index, flags] of [iflag, oflag, cflag, lflag].entries()) view.setUint16(2 * index, flags, true);
  bytes[8] = termios.line;
  bytes.set(termios.cc.subarray(0, 8), 9);
  return bytes;
}

/** Changes the low halves of the flags and the first control characters. */
export function getTermio(bytes: Uint8Array, old: Termios): Termios {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const merge = (flags: number, index: number) =>
    ((flags & 0xffff0000) | view.getUint16(2 * index, true)) >>> 0;
  const cc = old.cc.slice();
  cc.set(bytes.subarray(9, 17));
  return {
    iflag: merge(old.iflag, 0),
    oflag: merge(old.oflag, 1),
    cflag: merge(old.cflag, 2),
    lflag: merge(old.lflag, 3),
    line: bytes[8]!,
    cc,
  };
}
