/** Seeded generator (sfc32): the same vectors on every machine. */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: string) {
    let h = 0x811c9dc5;
    for (const ch of seed) h = Math.imul(h ^ ch.charCodeAt(0), 0x01000193);
    this.#a = h;
    this.#b = h ^ 0x5bf03635;
    this.#c = Math.imul(h, 0x9e3779b1);
    for (let i = 0; i < 12; i++) this.u32();
  }

  u32(): number {
    const t = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + t;
    return t >>> 0;
  }
  /** 0..n-1 */
  below(n: number): number {
    return Math.floor((this.u32() / 0x100000000) * n);
  }
  /** True once in `n`. */
  oneIn(n: number): boolean {
    return this.below(n) === 0;
  }
  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)] as T;
  }
}

const EDGES8 = [0, 1, 0x7f, 0x80, 0x81, 0xfe, 0xff, 0x09, 0x0a, 0x99, 0x9a];
const EDGES16 = [0, 1, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0x8001, 0xfffe, 0xffff];
const EDGES32 = [
  ...[0, 1, 2, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x10000, 0xffff8000, 0xffffff80],
  ...[0x7ffffffe, 0x7fffffff, 0x80000000, 0x80000001, 0xfffffffe, 0xffffffff],
];

/** A 32-bit value, by preference one whose 8, 16 or 32 low bits are an edge. */
export function operandValue(r: Random): number {
  switch (r.below(8)) {
    case 0:
    case 1:
      return r.pick(EDGES32);
    case 2:
      return ((r.u32() << 16) | r.pick(EDGES16)) >>> 0;
    case 3: {
      const byte = (): number => (r.oneIn(4) ? r.below(256) : r.pick(EDGES8));
      return ((byte() << 24) | (byte() << 16) | (byte() << 8) | byte()) >>> 0;
    }
    case 4:
      return r.below(40);
    case 5:
      return ((1 << r.below(32)) ^ (r.oneIn(2) ? -1 : 0)) >>> 0;
    default:
      return r.u32();
  }
}
