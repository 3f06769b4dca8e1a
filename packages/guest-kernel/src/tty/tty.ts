/** A terminal: input and output over a line, its session and foreground group. Source: tty_ioctl(4), Linux drivers/tty/tty_io.c. */
import { SIGCONT, SIGHUP, SIGWINCH } from '../abi/signal-numbers.ts';
import { ICANON, standardTermios, type Termios, VMIN, VTIME } from '../abi/termios.ts';
import type { ControllingTerminal } from '../fs/types.ts';
import { WaitQueue } from '../task/wait.ts';
import { type InputHost, LineInput } from './line-input.ts';
import { OutputQueue } from './output.ts';

/** The line below a terminal: a console, or the master of a pty. */
export interface TtyLine {
  /** Sends bytes. @returns how many were taken */
  write(bytes: Uint8Array): number;
  /** Woken when a line that took too little can take more. */
  readonly writable: WaitQueue;
}

/** What terminals need of the kernel. */
export interface TtyKernel {
  signalGroup(pgid: number, signal: number): void;
  /** CLOCK_MONOTONIC, for VTIME. */
  monotonicNs(): bigint;
}

/** Rows, columns, and pixels both ways. */
export interface WindowSize {
  readonly rows: number;
  readonly columns: number;
  readonly xPixels: number;
  readonly yPixels: number;
}

/** Bytes of output that wait for the line at most. */
const OUTPUT_BYTES = 16384;

export class Tty implements ControllingTerminal, InputHost {
  readonly name: string;
  readonly rdev: number;
  readonly kernel: TtyKernel;
  session = 0;
  foreground = 0;
  termios: Termios = standardTermios();
  windowSize: WindowSize = { rows: 0, columns: 0, xPixels: 0, yPixels: 0 };
  exclusive = false;
  /** Raised by hanging up: files opened before are dead. */
  generation = 0;
  openCount = 0;
  readonly output: OutputQueue = new OutputQueue(OUTPUT_BYTES);
  readonly input: LineInput;
  /** Woken when there is something to read, or the terminal hangs up. */
  readonly readable: WaitQueue = new WaitQueue();
  /** Woken when there is room for output, or the terminal hangs up. */
  readonly writable: WaitQueue = new WaitQueue();
  /** Woken when {@link receive} can take more. */
  readonly inputRoom: WaitQueue = new WaitQueue();
  readonly #line: TtyLine;
  readonly #resetsTermios: boolean;
  #stopped = false;
  #waitsForLine = false;

  /** @param resetsTermios hanging up sets the settings back, as the Xen console does */
  constructor(name: string, rdev: number, line: TtyLine, kernel: TtyKernel, resetsTermios: boolean) {
    this.name = name;
    this.rdev = rdev;
    this.kernel = kernel;
    this.#line = line;
    this.#resetsTermios = resetsTermios;
    this.input = new LineInput(this);
  }

  /** Bytes typed at the line. @returns how many were taken; {@link inputRoom} tells when to go on */
  receive(bytes: Uint8Array): number {
    const taken = this.input.receive(bytes);
    this.pushOutput();
    if (this.isReadable()) this.readable.wakeAll();
    return taken;
  }

  /** Enough is there for a read to return at once. */
  isReadable(): boolean {
    const { cc, lflag } = this.termios;
    if ((lflag & ICANON) !== 0) return this.input.available > 0;
    const needed = cc[VTIME] === 0 ? Math.max(1, cc[VMIN]!) : 1;
    return this.input.available >= needed;
  }

  /** Puts output after processing, as far as there is room. @returns how many bytes were taken */
  put(from: Uint8Array): number {
    let taken = 0;
    while (taken < from.length) {
      while (taken < from.length && this.output.put(from[taken]!, this.termios)) taken++;
      if (taken < from.length && !this.pushOutput()) break;
    }
    this.pushOutput();
    return taken;
  }

  /** Hands output to the line. @returns whether that made room */
  pushOutput(): boolean {
    const before = this.output.length;
    while (this.output.length > 0 && !this.#stopped) {
      const sent = this.#line.write(this.output.front());
      if (sent === 0) {
        this.#waitForLine();
        break;
      }
      this.output.skip(sent);
    }
    const moved = this.output.length < before;
    if (moved) this.writable.wakeAll();
    return moved;
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  setStopped(stopped: boolean): void {
    this.#stopped = stopped;
    if (!stopped) this.pushOutput();
  }

  interrupt(signal: number, flush: boolean): void {
    if (flush) {
      this.output.clear();
      this.writable.wakeAll();
      this.inputRoom.wakeAll();
    }
    if (this.foreground !== 0) this.kernel.signalGroup(this.foreground, signal);
  }

  setTermios(termios: Termios): void {
    const switched = ((this.termios.lflag ^ termios.lflag) & ICANON) !== 0;
    this.termios = termios;
    if (switched) this.input.modeChanged();
    this.readable.wakeAll();
  }

  setWindowSize(size: WindowSize): void {
    const old = this.windowSize;
    this.windowSize = size;
    const same =
      old.rows === size.rows &&
      old.columns === size.columns &&
      old.xPixels === size.xPixels &&
      old.yPixels === size.yPixels;
    if (!same && this.foreground !== 0) this.kernel.signalGroup(this.foreground, SIGWINCH);
  }

  /** Throws away input that was not read. */
  flushInput(): void {
    this.input.flush();
    this.inputRoom.wakeAll();
  }

  flushOutput(): void {
    this.output.clear();
    this.writable.wakeAll();
  }

  hangUp(): void {
    const { foreground } = this;
    this.generation++;
    this.session = 0;
    this.foreground = 0;
    this.input.flush();
    this.output.clear();
    this.#stopped = false;
    if (this.#resetsTermios) this.termios = standardTermios();
    if (foreground !== 0) {
      this.kernel.signalGroup(foreground, SIGHUP);
      this.kernel.signalGroup(foreground, SIGCONT);
    }
    for (const queue of [this.readable, this.writable, this.inputRoom]) queue.wakeAll();
  }

  #waitForLine(): void {
    if (this.#waitsForLine) return;
    this.#waitsForLine = true;
    this.#line.writable.add(() => {
      this.#waitsForLine = false;
      this.pushOutput();
    });
  }
}
