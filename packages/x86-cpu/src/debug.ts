import { RF, TF } from './row.ts';
import { MODE_BREAKPOINTS, MODE_SHADOW, MODE_STEP, S } from './state.ts';

/** DR6 bit of a single step. */
const DR6_BS = 0x4000;
const RW_EXECUTE = 0;
const RW_WRITE = 1;
const RW_IO = 2;
const DR7_ENABLES = 0xff;
const LENGTHS = [1, 2, 8, 4] as const;

/** Breakpoints and single steps over the state block; the CPU asks here only when one of them is armed. */
export class DebugUnit {
  readonly #words: Int32Array;

  constructor(words: Int32Array) {
    this.#words = words;
  }

  #word(offset: number): number {
    return this.#words[offset >> 2] ?? 0;
  }

  /** MODE_* bits that EFLAGS and DR7 call for. */
  mode(): number {
    const flags = this.#word(S.sysFlags);
    const armed = (this.#dr(7) & DR7_ENABLES) !== 0 || (flags & RF) !== 0;
    return (flags & TF ? MODE_STEP : 0) | (armed ? MODE_BREAKPOINTS : 0);
  }

  #dr(n: number): number {
    return this.#word(S.dr + 4 * n);
  }

  #matches(kind: (rw: number) => boolean, linear: number, bytes: number): number {
    const dr7 = this.#dr(7);
    let hits = 0;
    for (let i = 0; i < 4; i++) {
      if ((dr7 & (3 << (2 * i))) === 0 || !kind((dr7 >>> (16 + 4 * i)) & 3)) continue;
      const length = LENGTHS[(dr7 >>> (18 + 4 * i)) & 3] ?? 1;
      const start = (this.#dr(i) & -length) >>> 0;
      if (linear < start + length && start < linear + bytes) hits |= 1 << i;
    }
    return hits;
  }

  /** DR6 bits of instruction breakpoints at `linear`; none while RF is set. */
  instructionHits(linear: number): number {
    if (this.#word(S.sysFlags) & RF) return 0;
    return this.#matches((rw) => rw === RW_EXECUTE, linear >>> 0, 1);
  }

  /** Remembers data breakpoints that this access hits; they trap after the instruction. */
  recordAccess(linear: number, bytes: number, write: boolean): void {
    const kind = (rw: number): boolean => rw !== RW_EXECUTE && rw !== RW_IO && (write || rw !== RW_WRITE);
    this.#words[S.dr6Hits >> 2] = this.#word(S.dr6Hits) | this.#matches(kind, linear >>> 0, bytes);
  }

  /** Takes the DR6 bits of the trap due after an instruction; 0 when none is, or MOV SS / POP SS puts it off. */
  takeHits(stepping: boolean): number {
    if (this.#word(S.mode) & MODE_SHADOW) return 0;
    const hits = this.#word(S.dr6Hits) | (stepping ? DR6_BS : 0);
    this.#words[S.dr6Hits >> 2] = 0;
    return hits;
  }
}
