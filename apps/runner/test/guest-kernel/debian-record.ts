import { appendFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { at } from './busybox-world.ts';
import { TABLE_HEAD, tableRow } from './debian-table.ts';
import type { Case, Outcome } from './debian-world.ts';

/** A folder that says what came of each case as soon as it is through: a run that is stopped has shown what it ran. */
export class Record {
  readonly #cases: ReadonlyMap<number, Case>;
  readonly #host: ReadonlyMap<number, Outcome>;
  readonly #folder: string;

  /** Begins anew. @param name of the folder, in .cache */
  constructor(name: string, cases: ReadonlyMap<number, Case>, host: ReadonlyMap<number, Outcome>) {
    this.#cases = cases;
    this.#host = host;
    this.#folder = at(`../../../../.cache/${name}`);
    rmSync(this.#folder, { recursive: true, force: true });
    mkdirSync(this.#folder, { recursive: true });
    writeFileSync(this.#log, `${TABLE_HEAD}\n`);
  }

  get #log(): string {
    return join(this.#folder, 'table');
  }

  /** A line in the table and on stderr; the outputs of both sides where they differ. */
  add(number: number, guest: Outcome): void {
    const [title, host] = [this.#cases.get(number)?.title ?? '', this.#host.get(number)];
    const line = `${tableRow(title, host, guest)}\n`;
    appendFileSync(this.#log, line);
    process.stderr.write(line);
    if (line.startsWith('same')) return;
    for (const [side, outcome] of Object.entries({ host, guest }))
      writeFileSync(join(this.#folder, `${number}.${side}`), outcome?.head ?? '', 'latin1');
  }
}
