import type { Assembler } from './assembler.ts';
import { little } from './assembler.ts';
import type { Frame } from './plan.ts';
import type { Random } from './random.ts';
import { type Flavour, instruction } from './rows.ts';

const PAGE = 0x1000;
const ESP = 4;
const EBP = 5;
/** Pages that groups work on: plain ones, those of the program and its alias, read-only and absent ones and those before them. */
const PAGES = [2, 4, 5, 6, 7, 8, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x24, 0x25, 0x26, 0x27];

/** Several accesses through one base register, near each other and often near the end of a page. */
export class Group {
  readonly #random: Random;
  readonly #asm: Assembler;
  readonly #flavour: Flavour;
  readonly #kept: number;
  readonly #step: number;

  constructor(random: Random, asm: Assembler, flavour: Flavour, kept: number, vectors: boolean) {
    this.#random = random;
    this.#asm = asm;
    this.#flavour = flavour;
    this.#kept = kept;
    this.#step = vectors ? 16 : random.chance(70) ? 4 : 1;
  }

  /** @param frame of the code around it */
  emit(frame: Frame): void {
    const random = this.#random;
    const framed = frame === 'ebp' || frame === 'enter';
    let base = random.below(8);
    if (framed && random.chance(50)) base = EBP;
    const isKept = base === ESP || ((this.#kept >> base) & 1) !== 0;
    if (!isKept) this.#asm.constant(base, this.#address());
    const middle = base === ESP ? 8 * this.#step : framed && base === EBP ? -4 * this.#step : 0;
    for (let i = 3 + random.below(8); i > 0; i--) {
      if (!isKept && random.chance(8)) this.#move(base);
      else this.#access(base, middle);
    }
  }

  #address(): number {
    const random = this.#random;
    const page = random.chance(85) ? random.pick(PAGES) : random.below(64);
    const offset = random.chance(50) ? PAGE - random.below(64) : random.below(PAGE);
    return page * PAGE + (offset & -this.#step);
  }

  /** The base register moves on a little. */
  #move(base: number): void {
    const by = (this.#random.below(8) - 3) * this.#step;
    const isLea = this.#random.chance(40);
    this.#asm.emit(
      ...(isLea ? [0x8d, 0x40 | (base << 3) | base, by & 0xff] : [0x83, 0xc0 | base, by & 0xff]),
    );
  }

  #access(base: number, middle: number): void {
    const random = this.#random;
    const disp = middle + (random.below(16) - 4) * this.#step;
    const memory = (reg: number): readonly number[] => {
      const wide = random.chance(15) || disp > 127 || disp < -128;
      const modrm = (wide ? 0x80 : 0x40) | (reg << 3) | base;
      const sib = base === ESP ? [0x24] : [];
      return [modrm, ...sib, ...(wide ? little(disp) : [disp & 0xff])];
    };
    const kept = this.#kept | (1 << base);
    const wanted = { flavour: this.#flavour, kept, balanced: true };
    this.#asm.emitSpare(instruction(random, random.chance(75) ? { ...wanted, memory } : wanted));
  }
}
