import { closeSync, writeSync } from 'node:fs';
import type { ConsoleSink } from '@domu/backends';
import { openOutput } from './files.ts';

/** Files that consoles are written to, beside the place where they are shown. */
export class ConsoleLogs {
  readonly #fds: readonly (number | null)[];

  /**
   * @param file %n stands for the name of the guest; without it only the first guest is logged; null: none is
   * @param names of the guests
   * Errors: UserError for a file that cannot be written
   */
  constructor(file: string | null, names: readonly string[]) {
    const fds: (number | null)[] = [];
    this.#fds = fds;
    for (const [i, name] of names.entries()) {
      const logged = file !== null && (i === 0 || file.includes('%n'));
      fds.push(logged ? openOutput(file.replaceAll('%n', name), '--log') : null);
    }
  }

  /** @returns the sink of guest `index`, with a log of what goes there */
  logged(index: number, sink: ConsoleSink): ConsoleSink {
    const fd = this.#fds[index];
    if (fd === null) return sink;
    return {
      write(bytes) {
        for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
        return sink.write(bytes);
      },
    };
  }

  close(): void {
    for (const fd of this.#fds) if (fd !== null) closeSync(fd);
  }
}
