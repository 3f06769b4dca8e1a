import type { Output } from '../io.ts';

const BAR_WIDTH = 24;
const CLEAR_LINE = '\r\x1b[K';

/** How far a long piece of work is: a line that is written over in a terminal, and nothing anywhere else. */
export class Progress {
  readonly #output: Output;
  #shown = '';

  constructor(output: Output) {
    this.#output = output;
  }

  /** @param fraction 0 to 1; null when nobody knows */
  show(step: string, fraction: number | null): void {
    if (this.#output.isTTY !== true) return;
    const filled = Math.round(BAR_WIDTH * (fraction ?? 0));
    const bar =
      fraction === null
        ? ''
        : ` [${'#'.repeat(filled).padEnd(BAR_WIDTH, '.')}] ${Math.floor(100 * fraction)} %`;
    const line = `domu: ${step}${bar}`.slice(0, (this.#output.columns ?? 80) - 1);
    if (line === this.#shown) return;
    this.#shown = line;
    this.#output.write(CLEAR_LINE + line);
  }

  /** Takes the line away. */
  end(): void {
    if (this.#shown !== '') this.#output.write(CLEAR_LINE);
    this.#shown = '';
  }
}
