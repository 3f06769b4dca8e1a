/** Codes of a canonical Huffman table, by length. */
export interface HuffmanTable {
  /** Symbols in order of their codes. */
  readonly symbols: Uint16Array;
  /** For each length: the first code that is too large for it, and what to add to a code for its place in `symbols`. */
  readonly limit: Int32Array;
  readonly offset: Int32Array;
  readonly maxLength: number;
}

/** @param lengths code length of each symbol, 1 to `maxLength` */
export function huffmanTable(lengths: Uint8Array, maxLength: number): HuffmanTable {
  const symbols = new Uint16Array(lengths.length);
  const limit = new Int32Array(maxLength + 1);
  const offset = new Int32Array(maxLength + 1);
  let code = 0;
  let placed = 0;
  for (let length = 1; length <= maxLength; length++) {
    code *= 2;
    offset[length] = placed - code;
    for (let symbol = 0; symbol < lengths.length; symbol++) {
      if (lengths[symbol] !== length) continue;
      symbols[placed++] = symbol;
      code++;
    }
    limit[length] = code;
  }
  return { symbols, limit, offset, maxLength };
}

/** Reads bits, most significant first; past the end it gives zeros and says so in `failed`. */
export class BitSource {
  failed: boolean = false;
  readonly #bytes: Uint8Array;
  #at: number;
  #held = 0;
  #nrHeld = 0;

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes;
    this.#at = at;
  }

  /** @param count 1 to 24 */
  read(count: number): number {
    while (this.#nrHeld < count) {
      if (this.#at >= this.#bytes.length) this.failed = true;
      this.#held = ((this.#held << 8) | (this.#bytes[this.#at++] ?? 0)) & 0xffff_ffff;
      this.#nrHeld += 8;
    }
    this.#nrHeld -= count;
    const value = (this.#held >>> this.#nrHeld) & (2 ** count - 1);
    return value;
  }

  /** @returns the next symbol; -1 when there is no such code, or no more input */
  symbol(table: HuffmanTable): number {
    let code = 0;
    for (let length = 1; length <= table.maxLength; length++) {
      code = (code << 1) | this.read(1);
      if (code < table.limit[length])
        return this.failed ? -1 : (table.symbols[code + table.offset[length]] ?? -1);
    }
    return -1;
  }
}
