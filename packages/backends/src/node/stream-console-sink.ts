import type { Writable } from 'node:stream';
import type { ConsoleSink } from '@domu/backends';

/** How a stream takes a console's output. */
export interface StreamConsoleSinkOptions {
  /**
   * Makes the guest wait while the stream is full. Off, output is buffered without limit, and what the guest sees does
   * not depend on the reader's speed: what a run under the virtual clock needs.
   */
  readonly backPressure: boolean;
}

/** Console output to a stream, such as the process's standard output. */
export class StreamConsoleSink implements ConsoleSink {
  readonly #stream: Writable;
  readonly #backPressure: boolean;
  #onDrain: (() => void) | null = null;
  #waiting = false;

  constructor(stream: Writable, options: StreamConsoleSinkOptions) {
    this.#stream = stream;
    this.#backPressure = options.backPressure;
  }

  /** @param resume called when the stream takes output again after it was full: `ConsoleBackend.resume` */
  onDrain(resume: () => void): void {
    this.#onDrain = resume;
  }

  write(bytes: Uint8Array): boolean {
    if (this.#stream.write(bytes) || !this.#backPressure) return true;
    if (!this.#waiting) {
      this.#waiting = true;
      this.#stream.once('drain', () => {
        this.#waiting = false;
        this.#onDrain?.();
      });
    }
    return false;
  }
}
