/**
 * Input of a terminal: line editing, echo, special characters. Source: termios(3), Linux drivers/tty/n_tty.c.
 *
 * Bytes lie in a ring between `tail` (next to be read) and `head` (next to be typed); in canonical mode those up to
 * `canon` are complete lines, the rest can still be edited.
 */

import { SIGINT, SIGQUIT, SIGTSTP } from '../abi/signal-numbers.ts';
import {
  ECHO,
  ECHOCTL,
  ECHOE,
  ECHOK,
  ECHOKE,
  ECHONL,
  ICANON,
  ICRNL,
  IEXTEN,
  IGNCR,
  IMAXBEL,
  INLCR,
  ISIG,
  ISTRIP,
  IUCLC,
  IUTF8,
  IXANY,
  IXON,
  NOFLSH,
  OPOST,
  type Termios,
  VEOF,
  VEOL,
  VEOL2,
  VERASE,
  VINTR,
  VKILL,
  VLNEXT,
  VQUIT,
  VREPRINT,
  VSTART,
  VSTOP,
  VSUSP,
  VWERASE,
} from '../abi/termios.ts';
import { isControl, type OutputQueue } from './output.ts';

/** Bytes of the input buffer (N_TTY_BUF_SIZE). */
const CAPACITY = 4096;
const NEWLINE = 10;
const RETURN = 13;
const TAB = 9;
const BELL = 7;

/** What the input asks of its terminal. */
export interface InputHost {
  readonly termios: Termios;
  readonly output: OutputQueue;
  /** Stops (^S) or starts (^Q) the output. */
  setStopped(stopped: boolean): void;
  readonly stopped: boolean;
  /** A signal character. @param flush throw away what waits to be output */
  interrupt(signal: number, flush: boolean): void;
}

/** How a line ends at a byte. */
const NO_END = 0;
const END = 1;
/** At VEOF: the byte is not part of the line. */
const END_OF_FILE = 2;

export class LineInput {
  readonly #host: InputHost;
  readonly #bytes = new Uint8Array(CAPACITY);
  readonly #ends = new Uint8Array(CAPACITY);
  #tail = 0;
  #canon = 0;
  #head = 0;
  #literal = false;
  /** Column where the line being edited began. */
  #startColumn = 0;
  /** Column before the bytes that are being taken: their echo is lost when a signal character flushes. */
  #batchColumn = 0;

  constructor(host: InputHost) {
    this.#host = host;
  }

  /** Bytes that can be read now. */
  get available(): number {
    return (this.#on(ICANON) ? this.#canon : this.#head) - this.#tail;
  }

  /** Takes typed bytes as far as there is room. @returns how many */
  receive(bytes: Uint8Array): number {
    this.#batchColumn = this.#host.output.column;
    for (let at = 0; at < bytes.length; at++) {
      const full = this.#head - this.#tail >= CAPACITY - 1;
      // A line that was never ended may not block the terminal: then its characters are lost instead.
      if (full && (!this.#on(ICANON) || this.#canon !== this.#tail)) return at;
      this.#receive(bytes[at]!);
    }
    return bytes.length;
  }

  /** Reads what is there: in canonical mode one line at most. @returns the count; 0 in canonical mode at an end of file */
  take(into: Uint8Array): number {
    const canonical = this.#on(ICANON);
    const limit = canonical ? this.#canon : this.#head;
    let count = 0;
    while (this.#tail < limit) {
      const slot = this.#tail % CAPACITY;
      const end = canonical ? this.#ends[slot]! : NO_END;
      if (end === END_OF_FILE) {
        this.#tail++;
        break;
      }
      if (count === into.length) break;
      into[count++] = this.#bytes[slot]!;
      this.#tail++;
      if (end === END) break;
    }
    return count;
  }

  flush(): void {
    this.#tail = 0;
    this.#canon = 0;
    this.#head = 0;
    this.#literal = false;
  }

  /** ICANON was switched: what was typed is complete as it stands. */
  modeChanged(): void {
    this.#canon = this.#head;
    if (this.#head > this.#tail && this.#on(ICANON)) {
      const last = (this.#head - 1) % CAPACITY;
      if (this.#ends[last] === NO_END) this.#ends[last] = END;
    }
    this.#literal = false;
  }

  #on(flag: number): boolean {
    return (this.#host.termios.lflag & flag) !== 0;
  }

  #is(byte: number, index: number): boolean {
    const character = this.#host.termios.cc[index]!;
    return character !== 0 && character === byte;
  }

  #receive(typed: number): void {
    const { iflag } = this.#host.termios;
    let byte = typed;
    if ((iflag & ISTRIP) !== 0) byte &= 0x7f;
    if ((iflag & IUCLC) !== 0 && this.#on(IEXTEN) && byte >= 0x41 && byte <= 0x5a) byte += 32;
    if (this.#literal) {
      this.#literal = false;
      this.#store(byte, false);
      return;
    }
    if ((iflag & IXON) !== 0 && this.#flowControl(byte, iflag)) return;
    if (this.#on(ISIG) && this.#signalCharacter(byte)) return;
    if (byte === RETURN) {
      if ((iflag & IGNCR) !== 0) return;
      if ((iflag & ICRNL) !== 0) byte = NEWLINE;
    } else if (byte === NEWLINE && (iflag & INLCR) !== 0) byte = RETURN;
    if (this.#on(ICANON) && this.#editing(byte)) return;
    this.#store(byte, typed === RETURN);
  }

  #flowControl(byte: number, iflag: number): boolean {
    if (this.#is(byte, VSTART)) {
      this.#host.setStopped(false);
      return true;
    }
    if (this.#is(byte, VSTOP)) {
      this.#host.setStopped(true);
      return true;
    }
    if (this.#host.stopped && (iflag & IXANY) !== 0) this.#host.setStopped(false);
    return false;
  }

  #signalCharacter(byte: number): boolean {
    let signal: number;
    if (this.#is(byte, VINTR)) signal = SIGINT;
    else if (this.#is(byte, VQUIT)) signal = SIGQUIT;
    else if (this.#is(byte, VSUSP)) signal = SIGTSTP;
    else return false;
    const flush = !this.#on(NOFLSH);
    if (flush) {
      this.flush();
      this.#host.output.column = this.#batchColumn;
    }
    this.#host.interrupt(signal, flush);
    if ((this.#host.termios.iflag & IXON) !== 0) this.#host.setStopped(false);
    if (this.#on(ECHO)) this.#echo(byte);
    return true;
  }

  /** Characters that edit or end a line. @returns whether this was one */
  #editing(byte: number): boolean {
    const extended = this.#on(IEXTEN);
    if (this.#is(byte, VERASE) || this.#is(byte, VKILL) || (extended && this.#is(byte, VWERASE))) {
      this.#erase(byte);
      return true;
    }
    if (extended && this.#is(byte, VLNEXT)) {
      this.#literal = true;
      if (this.#on(ECHO) && this.#on(ECHOCTL)) {
        this.#echoRaw(0x5e);
        this.#echoRaw(8);
      }
      return true;
    }
    if (extended && this.#on(ECHO) && this.#is(byte, VREPRINT)) {
      this.#echo(byte);
      this.#echoRaw(NEWLINE);
      for (let at = this.#canon; at < this.#head; at++) this.#echo(this.#bytes[at % CAPACITY]!);
      return true;
    }
    if (byte === NEWLINE) {
      if (this.#on(ECHO) || this.#on(ECHONL)) this.#echoRaw(NEWLINE);
      this.#endLine(byte, END);
      return true;
    }
    if (this.#is(byte, VEOF)) {
      this.#endLine(0, END_OF_FILE);
      return true;
    }
    if (this.#is(byte, VEOL) || (extended && this.#is(byte, VEOL2))) {
      if (this.#on(ECHO)) this.#echoTyped(byte);
      this.#endLine(byte, END);
      return true;
    }
    return false;
  }

  #endLine(byte: number, end: number): void {
    this.#put(byte, end);
    this.#canon = this.#head;
  }

  /** @param wasReturn a newline made from a carriage return shows as a newline, one that was typed as ^J */
  #store(byte: number, wasReturn: boolean): void {
    const room = CAPACITY - 1 - (this.#head - this.#tail);
    if (room <= 0) {
      if ((this.#host.termios.iflag & IMAXBEL) !== 0) this.#echoRaw(BELL);
      return;
    }
    if (this.#on(ECHO)) {
      if (byte === NEWLINE && wasReturn) this.#echoRaw(NEWLINE);
      else this.#echoTyped(byte);
    }
    this.#put(byte, NO_END);
    if (!this.#on(ICANON)) this.#canon = this.#head;
  }

  #put(byte: number, end: number): void {
    this.#bytes[this.#head % CAPACITY] = byte;
    this.#ends[this.#head % CAPACITY] = end;
    this.#head++;
  }

  #echoRaw(byte: number): void {
    this.#host.output.put(byte, this.#host.termios);
  }

  /** A character as it shows: control characters as ^X with ECHOCTL. */
  #echo(byte: number): void {
    if (this.#on(ECHOCTL) && isControl(byte) && byte !== TAB) {
      this.#echoRaw(0x5e);
      this.#echoRaw(byte ^ 0x40);
      // Without output processing the column moves for these only.
      if ((this.#host.termios.oflag & OPOST) === 0) this.#host.output.column += 2;
    } else this.#echoRaw(byte);
  }

  #echoTyped(byte: number): void {
    if (this.#head === this.#canon) this.#startColumn = this.#host.output.column;
    this.#echo(byte);
  }

  #erase(byte: number): void {
    if (this.#head === this.#canon) return;
    const word = this.#is(byte, VWERASE);
    const single = this.#is(byte, VERASE);
    if (!word && !single) {
      const erasesVisibly = this.#on(ECHOK) && this.#on(ECHOKE) && this.#on(ECHOE);
      if (!this.#on(ECHO) || !erasesVisibly) {
        this.#head = this.#canon;
        if (!this.#on(ECHO)) return;
        this.#echo(byte);
        if (this.#on(ECHOK)) this.#echoRaw(NEWLINE);
        return;
      }
    }
    let inWord = false;
    while (this.#head !== this.#canon) {
      let head = this.#head - 1;
      while (head > this.#canon && this.#isContinuation(this.#bytes[head % CAPACITY]!)) head--;
      const erased = this.#bytes[head % CAPACITY]!;
      if (word) {
        if (isWordByte(erased)) inWord = true;
        else if (inWord) break;
      }
      this.#head = head;
      if (this.#on(ECHO)) this.#echoErased(erased, single);
      if (single) break;
    }
  }

  #echoErased(erased: number, single: boolean): void {
    if (single && !this.#on(ECHOE)) {
      this.#echo(this.#host.termios.cc[VERASE]!);
      return;
    }
    if (erased === TAB) {
      this.#echoErasedTab();
      return;
    }
    const control = isControl(erased);
    const columns = control ? (this.#on(ECHOCTL) ? 2 : 0) : 1;
    for (let count = 0; count < columns; count++) for (const byte of [8, 32, 8]) this.#echoRaw(byte);
  }

  /** Goes back over a tab: how far depends on what stands before it. */
  #echoErasedTab(): void {
    let columns = 0;
    let at = this.#head;
    let afterTab = false;
    while (at !== this.#canon && !afterTab) {
      at--;
      const byte = this.#bytes[at % CAPACITY]!;
      if (byte === TAB) afterTab = true;
      else if (isControl(byte)) columns += this.#on(ECHOCTL) ? 2 : 0;
      else if (!this.#isContinuation(byte)) columns++;
    }
    if (!afterTab) columns += this.#startColumn;
    for (let count = 8 - (columns & 7); count > 0; count--) this.#echoRaw(8);
  }

  #isContinuation(byte: number): boolean {
    return (this.#host.termios.iflag & IUTF8) !== 0 && (byte & 0xc0) === 0x80;
  }
}

function isWordByte(byte: number): boolean {
  const lower = byte | 0x20;
  const alphanumeric = (byte >= 0x30 && byte <= 0x39) || (lower >= 0x61 && lower <= 0x7a);
  return alphanumeric || byte === 0x5f || byte >= 0xc0 || byte === 0xaa || byte === 0xb5 || byte === 0xba;
}
