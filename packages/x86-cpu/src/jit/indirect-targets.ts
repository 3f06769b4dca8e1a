import type { Insn } from '../decode/index.ts';
import { INDIRECT, INDIRECT_ENTRIES, INDIRECT_SHIFT } from '../state.ts';

const ENTRY_WORDS: number = 1 << (INDIRECT_SHIFT - 2);
/** Targets that are remembered: the latest first. */
const REMEMBERED = 3;
const MAX_TARGETS = 10;
const MAX_TABLE = 64;
/** Entries of a jump table lie about as near to each other as the code of one function. */
const NEAR_BYTES = 0x8000;

/** Where indirect jumps and calls are likely to go: where they went lately, and what their jump table says. */
export class IndirectTargets {
  readonly #words: Int32Array;
  readonly #peek: (linear: number) => number;

  /** @param peek an aligned word of guest memory, or -1 when the TLB does not know it */
  constructor(memory: WebAssembly.Memory, peek: (linear: number) => number) {
    this.#words = new Int32Array(memory.buffer, INDIRECT, INDIRECT_ENTRIES * ENTRY_WORDS);
    this.#peek = peek;
  }

  find(eip: number, insn: Insn): readonly number[] {
    const slot = (eip & (INDIRECT_ENTRIES - 1)) * ENTRY_WORDS;
    const isOurs = (this.#words[slot] ?? 0) >>> 0 === eip;
    const seen = isOurs
      ? [...this.#words.subarray(slot + 1, slot + 1 + REMEMBERED)].filter((word) => word !== 0)
      : [];
    const latest = seen.map((word) => word >>> 0);
    const m = insn.memory;
    const isTable = insn.row.mnemonic === 'JMP' && m !== null && m.base < 0 && m.index >= 0 && m.scale === 4;
    return isTable ? this.#table(m.disp >>> 0, eip, latest) : latest;
  }

  #table(start: number, eip: number, latest: readonly number[]): number[] {
    const targets = new Set<number>(latest);
    for (let i = 0; i < MAX_TABLE && targets.size < MAX_TARGETS; i++) {
      const target = this.#peek(start + i * 4);
      if (target < 0 || Math.abs(target - eip) > NEAR_BYTES) break;
      targets.add(target);
    }
    return [...targets];
  }
}
