import type { HostIo } from '../io.ts';

const ENTER = '\x1b[?1049h\x1b[?25l';
const LEAVE = '\x1b[?25h\x1b[?1049l';
const HOME = '\x1b[H';
const CLEAR_LINE = '\x1b[K';
const CLEAR_BELOW = '\x1b[J';
const CTRL_C = 0x03;

/** A terminal taken over for a while, its own text kept. `q` and Ctrl-C ask to leave. */
export class FullScreen {
  readonly #io: HostIo;
  readonly #onInput: (bytes: Uint8Array) => void;
  #lines: readonly string[] = [];
  readonly #onResize = (): void => this.#draw();

  /** @param leave called when the user wants to */
  constructor(io: HostIo, leave: () => void) {
    this.#io = io;
    this.#onInput = (bytes) => {
      if (bytes.includes('q'.charCodeAt(0)) || bytes.includes(CTRL_C)) leave();
    };
    io.stdout.write(ENTER);
    io.stdout.on('resize', this.#onResize);
    if (io.stdin.isTTY !== true) return;
    io.stdin.setRawMode?.(true);
    io.stdin.on('data', this.#onInput);
    io.stdin.resume();
  }

  /** Shows lines from the top; those below the terminal's end are left out. */
  show(lines: readonly string[]): void {
    this.#lines = lines;
    this.#draw();
  }

  /** Gives the terminal back as it was. */
  close(): void {
    const { stdin, stdout } = this.#io;
    stdout.off('resize', this.#onResize);
    stdout.write(LEAVE);
    if (stdin.isTTY !== true) return;
    stdin.off('data', this.#onInput);
    stdin.setRawMode?.(false);
    stdin.pause();
  }

  #draw(): void {
    const { rows = 24 } = this.#io.stdout;
    const shown = this.#lines.slice(0, rows - 1).map((line) => `${line}${CLEAR_LINE}\r\n`);
    this.#io.stdout.write(`${HOME}${shown.join('')}${CLEAR_BELOW}`);
  }
}
