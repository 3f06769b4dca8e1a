import type { ConsoleSink } from '@domu/backends';

/** How several consoles share one place: as lines that say whose they are, or one at a time. */
export type MuxMode = 'prefixed' | 'switched';

const LINE_FEED = 0x0a;
/** What is kept of a console that is not shown. */
const BACKLOG_BYTES = 16_384;
const NEW_LINE: Uint8Array = Uint8Array.of(0x0d, LINE_FEED);

/**
 * The consoles of several guests in one place. Prefixed, every line begins with its guest's name. Switched, one guest is
 * shown and typed to; what the others say is kept, up to a bound, and shown when one switches to them.
 */
export class ConsoleMux {
  readonly #out: ConsoleSink;
  readonly #names: readonly string[];
  readonly #mode: MuxMode;
  readonly #backlogs: Uint8Array[];
  /** Prefixed: whose line has not ended; -1: nobody's. */
  #lineOf = -1;
  #focus = 0;

  constructor(out: ConsoleSink, names: readonly string[], mode: MuxMode) {
    this.#out = out;
    this.#names = names;
    this.#mode = mode;
    this.#backlogs = names.map(() => new Uint8Array(0));
  }

  /** Index of the guest that is typed to. */
  get focus(): number {
    return this.#focus;
  }

  /** Where the console of guest `index` goes. */
  sink(index: number): ConsoleSink {
    const write = this.#mode === 'prefixed' ? this.#prefixed : this.#switched;
    return { write: (bytes) => write.call(this, index, bytes) };
  }

  /** Types to guest `index` from now on, and shows it if one at a time is shown. Ignores an index without guest. */
  switchTo(index: number): void {
    if (!(index in this.#names)) return;
    this.#focus = index;
    if (this.#mode === 'prefixed') return;
    this.#out.write(encode(`\r\n[${index + 1}: ${this.#names[index]}]\r\n`));
    this.#out.write(this.#backlogs[index]);
    this.#backlogs[index] = new Uint8Array(0);
  }

  #switched(index: number, bytes: Uint8Array): boolean {
    if (index === this.#focus) return this.#out.write(bytes);
    const joined = concat([this.#backlogs[index], bytes]);
    this.#backlogs[index] = joined.slice(-BACKLOG_BYTES);
    return true;
  }

  #prefixed(index: number, bytes: Uint8Array): boolean {
    const parts: Uint8Array[] = [];
    for (let at = 0; at < bytes.length; ) {
      const end = bytes.indexOf(LINE_FEED, at) + 1 || bytes.length;
      if (this.#lineOf !== index) {
        if (this.#lineOf >= 0) parts.push(NEW_LINE);
        parts.push(encode(`${this.#names[index]}: `));
      }
      parts.push(bytes.subarray(at, end));
      this.#lineOf = bytes[end - 1] === LINE_FEED ? -1 : index;
      at = end;
    }
    return this.#out.write(concat(parts));
  }
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}
