/** Output processing of a terminal (OPOST), and where the cursor is. Source: termios(3), Linux drivers/tty/n_tty.c do_output_char. */
import { OCRNL, OLCUC, ONLCR, ONLRET, ONOCR, OPOST, TABDLY, type Termios, XTABS } from '../abi/termios.ts';

const BACKSPACE = 8;
const TAB = 9;
const NEWLINE = 10;
const RETURN = 13;
const SPACE = 32;

/** A bounded queue of bytes on their way to the line. */
export class OutputQueue {
  readonly #ring: Uint8Array;
  #start = 0;
  #length = 0;
  /** Column of the cursor, from 0. */
  column = 0;

  constructor(capacity: number) {
    this.#ring = new Uint8Array(capacity);
  }

  get length(): number {
    return this.#length;
  }

  get room(): number {
    return this.#ring.length - this.#length;
  }

  /** Puts one byte as it is. Without room it is lost. */
  putRaw(byte: number): void {
    if (this.#length === this.#ring.length) return;
    this.#ring[(this.#start + this.#length) % this.#ring.length] = byte;
    this.#length++;
  }

  /** Puts one byte as the settings want it. @returns false: no room for what it becomes, nothing was put */
  put(byte: number, termios: Termios): boolean {
    const { oflag } = termios;
    if (this.room < 8) return false;
    if ((oflag & OPOST) === 0) {
      this.putRaw(byte);
      return true;
    }
    switch (byte) {
      case NEWLINE:
        if ((oflag & ONLRET) !== 0) this.column = 0;
        if ((oflag & ONLCR) !== 0) {
          this.column = 0;
          this.putRaw(RETURN);
        }
        this.putRaw(NEWLINE);
        break;
      case RETURN:
        if ((oflag & ONOCR) !== 0 && this.column === 0) break;
        if ((oflag & OCRNL) !== 0) {
          if ((oflag & ONLRET) !== 0) this.column = 0;
          this.putRaw(NEWLINE);
          break;
        }
        this.column = 0;
        this.putRaw(RETURN);
        break;
      case TAB: {
        const spaces = 8 - (this.column & 7);
        this.column += spaces;
        if ((oflag & TABDLY) !== XTABS) this.putRaw(TAB);
        else for (let count = 0; count < spaces; count++) this.putRaw(SPACE);
        break;
      }
      case BACKSPACE:
        if (this.column > 0) this.column--;
        this.putRaw(BACKSPACE);
        break;
      default:
        this.#putPlain(byte, termios);
    }
    return true;
  }

  /** The bytes at the front that lie together; {@link skip} what was sent of them. */
  front(): Uint8Array {
    return this.#ring.subarray(this.#start, Math.min(this.#start + this.#length, this.#ring.length));
  }

  skip(count: number): void {
    this.#length -= count;
    this.#start = this.#length === 0 ? 0 : (this.#start + count) % this.#ring.length;
  }

  clear(): void {
    this.#start = 0;
    this.#length = 0;
  }

  #putPlain(byte: number, { oflag, iflag }: Termios): void {
    const lower = byte >= 0x61 && byte <= 0x7a;
    const continuation = (iflag & 0o40000) !== 0 && (byte & 0xc0) === 0x80;
    if (!isControl(byte) && !continuation) this.column++;
    this.putRaw((oflag & OLCUC) !== 0 && lower ? byte - 32 : byte);
  }
}

/** C's iscntrl for bytes, as the kernel's Latin-1 table has it. */
export function isControl(byte: number): boolean {
  return byte < 32 || byte === 127;
}
