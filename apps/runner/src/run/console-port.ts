import { closeSync, writeSync } from 'node:fs';
import type { ConsoleSink } from '@domu/backends';
import { StreamConsoleSink } from '@domu/backends/node';
import type { HostIo } from '../io.ts';
import { TERMINAL_RESET } from '../terminal/screen.ts';
import { openOutput } from './files.ts';

/** Ctrl-], as in `xl console`. */
const ESCAPE_BYTE = 0x1d;
const LINE_FEED = 0x0a;
const DIGIT_ZERO = 0x30;
/** Output that waits for its reader: with more of it the machine stands still. */
const FAR_BEHIND_BYTES = 1 << 20;

/** The host's end of the guest's console. */
export interface ConsolePort {
  readonly sink: ConsoleSink;
  /** Called when the sink takes output again after it refused some. */
  onDrain(resume: () => void): void;
  /** Whether input can still come. */
  readonly open: boolean;
  /** @returns null, or what to wait for before the machine runs on: the reader is far behind */
  behind(): Promise<void> | null;
  close(): void;
}

export interface ConsoleInput {
  /** Bytes that the user typed or piped in. */
  onInput(bytes: Uint8Array): void;
  /** Ctrl-] was pressed in a terminal; if there are several guests, with something else than a digit behind it. */
  onLeave(): void;
  /** Ctrl-] and a digit were pressed, from 1 on. Never called unless `several`. */
  onSwitch(guest: number): void;
  /** Input has ended, or the reader of our output has gone away. */
  onClosed(cause: 'end-of-input' | 'output-gone'): void;
}

export interface ConsoleOptions {
  readonly readInput: boolean;
  readonly backPressure: boolean;
  readonly several: boolean;
}

/**
 * Opens what --console names.
 * @param where 'stdio', 'none' or a file to be (over)written
 * @param options.readInput false while a script types: the terminal is left alone
 * @param options.backPressure whether a slow reader may slow the guest down
 * @param options.several whether there are several guests to switch between
 * Errors: UserError for a file that cannot be written
 */
export function openConsole(
  where: string,
  io: HostIo,
  input: ConsoleInput,
  options: ConsoleOptions,
): ConsolePort {
  if (where === 'none') return silentConsole();
  if (where !== 'stdio') return fileConsole(openOutput(where, '--console'));
  return new StdioConsole(io, input, options);
}

function silentConsole(): ConsolePort {
  return { sink: { write: () => true }, onDrain() {}, open: false, behind: () => null, close() {} };
}

function fileConsole(fd: number): ConsolePort {
  const sink: ConsoleSink = {
    write(bytes) {
      for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
      return true;
    },
  };
  return { sink, onDrain() {}, open: false, behind: () => null, close: () => closeSync(fd) };
}

/** stdin and stdout; a terminal goes into raw mode until `close`. */
class StdioConsole implements ConsolePort {
  readonly sink: ConsoleSink;
  open: boolean;
  readonly #stream: StreamConsoleSink;
  #lastByte = LINE_FEED;
  readonly #io: HostIo;
  readonly #input: ConsoleInput;
  readonly #raw: boolean;
  readonly #several: boolean;
  /** Ctrl-] was pressed, and may have a digit behind it. */
  #escaped = false;
  #behind: Promise<void> | null = null;
  readonly #onData = (bytes: Uint8Array): void => this.#data(bytes);
  readonly #onEnd = (): void => this.#ended('end-of-input');
  readonly #onOutputError = (): void => this.#ended('output-gone');

  constructor(io: HostIo, input: ConsoleInput, options: ConsoleOptions) {
    this.#several = options.several;
    this.#io = io;
    this.#input = input;
    this.#stream = new StreamConsoleSink(io.stdout, { backPressure: options.backPressure });
    this.sink = {
      write: (bytes) => {
        this.#lastByte = bytes.at(-1) ?? this.#lastByte;
        return this.#stream.write(bytes);
      },
    };
    io.stdout.on('error', this.#onOutputError);
    this.open = options.readInput;
    this.#raw = options.readInput && io.stdin.isTTY === true;
    if (!options.readInput) return;
    if (this.#raw) io.stdin.setRawMode?.(true);
    io.stdin.on('data', this.#onData);
    io.stdin.on('end', this.#onEnd);
    io.stdin.resume();
  }

  onDrain(resume: () => void): void {
    this.#stream.onDrain(resume);
  }

  close(): void {
    this.#io.stdin.off('data', this.#onData);
    this.#io.stdin.off('end', this.#onEnd);
    this.#io.stdin.pause();
    if (this.#raw) this.#io.stdin.setRawMode?.(false);
    this.open = false;
    if (this.#io.stdout.isTTY) {
      this.#io.stdout.write(`${TERMINAL_RESET}${this.#lastByte === LINE_FEED ? '' : '\n'}`);
    }
  }

  behind(): Promise<void> | null {
    const { stdout } = this.#io;
    if (stdout.writableLength < FAR_BEHIND_BYTES || stdout.destroyed) return null;
    this.#behind ??= new Promise((resolve) => {
      const done = (): void => {
        stdout.off('drain', done);
        stdout.off('close', done);
        this.#behind = null;
        resolve();
      };
      stdout.on('drain', done);
      stdout.on('close', done);
    });
    return this.#behind;
  }

  #data(bytes: Uint8Array): void {
    if (!this.#raw) return this.#input.onInput(bytes);
    let rest = bytes;
    while (rest.length > 0) {
      if (this.#escaped) {
        this.#escaped = false;
        const digit = rest[0] - DIGIT_ZERO;
        if (!(digit >= 1 && digit <= 9)) return this.#input.onLeave();
        this.#input.onSwitch(digit);
        rest = rest.subarray(1);
        continue;
      }
      const at = rest.indexOf(ESCAPE_BYTE);
      if (at !== 0) this.#input.onInput(at < 0 ? rest : rest.subarray(0, at));
      if (at < 0) return;
      if (!this.#several) return this.#input.onLeave();
      this.#escaped = true;
      rest = rest.subarray(at + 1);
    }
  }

  #ended(cause: 'end-of-input' | 'output-gone'): void {
    this.open = false;
    this.#input.onClosed(cause);
  }
}
