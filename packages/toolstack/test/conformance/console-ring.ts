const OUT_OFFSET = 1024;
const OUT_BYTES = 2048;
const IN_PROD = 3076;
const OUT_CONS = 3080;
const OUT_PROD = 3084;

/** The host's end of a guest's console ring. */
export class ConsoleRing {
  readonly lines: string[] = [];
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #line = '';

  /** @param bytes the page of the ring */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Puts text into the guest's input, which must be empty so far. */
  type(text: string): void {
    this.#bytes.set(new TextEncoder().encode(text), 0);
    this.#view.setUint32(IN_PROD, text.length, true);
  }

  /** Takes all output there is; whole lines go to `lines`. */
  take(): void {
    const end = this.#view.getUint32(OUT_PROD, true);
    for (let at = this.#view.getUint32(OUT_CONS, true); at !== end; at = (at + 1) >>> 0) {
      const letter = String.fromCharCode(this.#bytes[OUT_OFFSET + (at % OUT_BYTES)]);
      if (letter !== '\n') this.#line += letter;
      else this.lines.push(this.#line);
      if (letter === '\n') this.#line = '';
    }
    this.#view.setUint32(OUT_CONS, end, true);
  }
}
