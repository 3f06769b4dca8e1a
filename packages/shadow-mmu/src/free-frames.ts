/** The set of free frames. The lowest free frame is handed out first, so a run is repeatable. */
export class FreeFrames {
  readonly #bits: Uint32Array;
  #count: number = 0;
  /** No frame below this word of the bitmap is free. */
  #firstWord: number = 0;

  constructor(nrFrames: number) {
    this.#bits = new Uint32Array((nrFrames + 31) >>> 5);
  }

  get count(): number {
    return this.#count;
  }

  has(mfn: number): boolean {
    return (this.#bits[mfn >>> 5] & (1 << (mfn & 31))) !== 0;
  }

  add(mfn: number): void {
    const word = mfn >>> 5;
    this.#bits[word] |= 1 << (mfn & 31);
    if (word < this.#firstWord) this.#firstWord = word;
    this.#count++;
  }

  /** @returns the lowest free frame, or -1 */
  take(): number {
    if (this.#count === 0) return -1;
    const bits = this.#bits;
    let word = this.#firstWord;
    while (bits[word] === 0) word++;
    this.#firstWord = word;
    const bit = 31 - Math.clz32(bits[word] & -bits[word]);
    bits[word] &= ~(1 << bit);
    this.#count--;
    return word * 32 + bit;
  }

  /** Takes `count` frames in a row, the lowest such run. @returns its first frame, or -1 */
  takeRun(count: number): number {
    const end = this.#bits.length * 32;
    let run = 0;
    for (let mfn = this.#firstWord * 32; mfn < end; mfn++) {
      run = this.has(mfn) ? run + 1 : 0;
      if (run < count) continue;
      const first = mfn - count + 1;
      for (let i = first; i <= mfn; i++) this.#bits[i >>> 5] &= ~(1 << (i & 31));
      this.#count -= count;
      return first;
    }
    return -1;
  }
}
