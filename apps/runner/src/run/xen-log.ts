/** One line of Xen's log. */
export interface LogLine {
  /** Counts all lines that there have been, from 0. */
  readonly number: number;
  /** Nanoseconds of the machine's clock. */
  readonly ns: number;
  readonly text: string;
}

const MAX_LINES = 1000;
const MAX_LINE = 1024;

/** The last lines of Xen's log. Guests write to it: it holds no more than 1000 lines of 1024 characters. */
export class XenLog {
  /** Called with each new line; what reads the log while the machine runs. */
  readonly followers: Set<(line: LogLine) => void> = new Set();
  readonly #now: () => number;
  #lines: LogLine[] = [];
  #next = 0;

  /** @param now the machine's clock */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Adds a line. Nothing of it can steer a terminal. */
  note(text: string): void {
    const shown = text.slice(0, MAX_LINE).replace(/[^\x20-\x7e]/g, '?');
    const line = { number: this.#next++, ns: this.#now(), text: shown };
    this.#lines.push(line);
    if (this.#lines.length >= 2 * MAX_LINES) this.#lines = this.#lines.slice(-MAX_LINES);
    for (const follower of this.followers) follower(line);
  }

  /** The lines that are kept, oldest first. */
  get lines(): readonly LogLine[] {
    return this.#lines.slice(-MAX_LINES);
  }
}
