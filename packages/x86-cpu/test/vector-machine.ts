import { Cpu } from '../src/cpu.ts';
import { Access, Exit, PAGE_WRITABLE, Seg } from '../src/names.ts';
import { CPU_RESERVED_BYTES } from '../src/state.ts';
import { baseImage, CODE_BASE, CODE_END, DATA_BASE, DATA_END, SPACE_END } from './record/layout.ts';
import { descriptorWords } from './record/segments.ts';
import type { VectorInput, VectorOutput } from './record/vector.ts';
import { startSelectors } from './record/vector.ts';

const PAGE = 0x1000;
const SEGMENTS = [Seg.ES, Seg.CS, Seg.SS, Seg.DS, Seg.FS, Seg.GS];
const WASM_PAGE = 0x10000;
/** G, and the bits of the upper word that segment attributes keep. */
const GRANULARITY = 0x800000;
const ATTRIBUTES = 0xf0ff;
const BREAKPOINT = 3;
const PF_WRITE = 2;
const PF_USER = 4;
const PF_INSTRUCTION = 16;

const isFault = (v: VectorOutput): boolean => v.vector >= 0;

/** A Cpu in the address space of layout.ts, on which vectors run one after the other. */
export class VectorMachine {
  readonly cpu: Cpu;
  readonly #space: Uint8Array;
  readonly #base: Uint8Array = baseImage();
  readonly #before: Uint8Array = baseImage();
  readonly #data: Uint8Array = this.#before.subarray(DATA_BASE, DATA_END);
  readonly #words: Int32Array;
  readonly #wordsBefore: Int32Array = new Int32Array(this.#before.buffer);

  /** With the JIT an instruction is compiled when it runs for the second time. */
  constructor(engine: 'interpreter' | 'jit' = 'interpreter') {
    const pages = (CPU_RESERVED_BYTES + SPACE_END) / WASM_PAGE;
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    this.cpu = new Cpu({
      memory,
      ramBase: CPU_RESERVED_BYTES,
      ramBytes: SPACE_END,
      engine,
      hotBranches: 0,
      bus: {
        translate,
        readDescriptor: (selector, out) => {
          const words = descriptorWords(selector);
          if (!words) return 1;
          out.set(words);
          return 0;
        },
        setAccessed: () => {},
        descriptorAddress: () => -1,
        cpuid: () => false,
        rdtsc: () => 0,
      },
    });
    this.#space = new Uint8Array(memory.buffer, CPU_RESERVED_BYTES, SPACE_END);
    this.#words = new Int32Array(memory.buffer, CPU_RESERVED_BYTES, SPACE_END >> 2);
    this.#space.set(this.#base);
  }

  /** Loads a segment register as the host has it, without checks. */
  #load(i: number, selector: number): void {
    const { seg } = this.cpu;
    if (seg.selector(i) === selector && seg.attr(i) !== 0) return;
    const words = selector === 0 ? null : descriptorWords(selector);
    const [low, high] = words ?? [0, 0];
    const units = (low & 0xffff) | (high & 0xf0000);
    const limit = high & GRANULARITY ? ((units << 12) | 0xfff) >>> 0 : units;
    const base = ((low >>> 16) | ((high & 0xff) << 16) | (high & 0xff000000)) >>> 0;
    seg.setRaw(i, selector, base, limit, (high >>> 8) & ATTRIBUTES);
  }

  /** Runs one vector for as many steps as the host took, and the one that faulted. */
  run(input: VectorInput, host: VectorOutput): VectorOutput {
    return this.#run(input, host.steps + (isFault(host) ? 1 : 0));
  }

  /**
   * As run(), but onto the breakpoints around the vector or to a target that cannot be fetched: compiled code is only
   * entered with a budget for its whole block.
   * @returns null when the instruction leads to one that can be run, or is a repeated one that has not ended
   */
  runPast(input: VectorInput, host: VectorOutput): VectorOutput | null {
    const ours = this.#run(input, host.steps + 1);
    if (isFault(host)) return ours;
    if (host.eip === input.eip) return null;
    const { vector, eip } = ours;
    if (vector === BREAKPOINT) return { ...ours, vector: -1, eip: eip - 1, steps: host.steps };
    if (isFault(ours) && eip === host.eip) return { ...ours, vector: -1, errorCode: 0, cr2: 0 };
    return null;
  }

  #run(input: VectorInput, budget: number): VectorOutput {
    const { cpu } = this;
    for (const { address, bytes } of input.patches) {
      this.#space.set(bytes, address);
      this.#before.set(bytes, address);
    }
    startSelectors(input).forEach((selector, i) => {
      this.#load(i, selector);
    });
    cpu.regs.set(input.regs);
    cpu.eip = input.eip;
    cpu.eflags = input.eflags;
    const retired = cpu.retired;
    const exit = cpu.run(budget);
    const fault = exit === Exit.Fault;
    const changes = this.#takeChanges(input);
    return {
      regs: Array.from(cpu.regs, (v) => v >>> 0),
      eip: cpu.eip,
      eflags: cpu.eflags,
      selectors: SEGMENTS.map((i) => cpu.seg.selector(i)),
      vector: fault ? cpu.exit.vector : -1,
      errorCode: fault ? Math.max(cpu.exit.errorCode, 0) : 0,
      cr2: fault && cpu.exit.vector === 14 ? cpu.exit.cr2 >>> 0 : 0,
      steps: cpu.retired - retired,
      changes,
    };
  }

  /** What the instruction changed in the data pages; puts the base image back. */
  #takeChanges(input: VectorInput): VectorOutput['changes'] {
    const changes: { address: number; bytes: number[] }[] = [];
    const [now, before, end] = [this.#words, this.#wordsBefore, DATA_END >> 2];
    const isSame = Buffer.compare(this.#space.subarray(DATA_BASE, DATA_END), this.#data) === 0;
    for (let w = isSame ? end : DATA_BASE >> 2; w < end; w++) {
      if (now[w] !== before[w]) w = this.#takeRun(w << 2, changes) >> 2;
    }
    for (const { address, bytes } of changes) this.#restore(address, bytes.length);
    for (const { address, bytes } of input.patches) this.#restore(address, bytes.length);
    return changes;
  }

  /** Collects the changed bytes from the word at `address` up to the first whole word that is unchanged. */
  #takeRun(address: number, changes: { address: number; bytes: number[] }[]): number {
    let at = address;
    let run: number[] | null = null;
    for (; at < DATA_END && (run || (at & 3) !== 0 || at === address); at++) {
      const byte = this.#space[at]!;
      if (byte === this.#before[at]) {
        run = null;
        continue;
      }
      if (!run) {
        run = [];
        changes.push({ address: at, bytes: run });
      }
      run.push(byte);
    }
    return at - 1;
  }

  #restore(address: number, length: number): void {
    const original = this.#base.subarray(address, address + length);
    this.#space.set(original, address);
    this.#before.set(original, address);
  }
}

function translate(linear: number, access: number, user: boolean): number {
  const page = (linear & ~(PAGE - 1)) >>> 0;
  const code = page >= CODE_BASE && page < CODE_END;
  const data = page >= DATA_BASE && page < DATA_END;
  const error =
    (user ? PF_USER : 0) |
    (access === Access.Write ? PF_WRITE : 0) |
    (access === Access.Execute ? PF_INSTRUCTION : 0);
  if (data) return page | PAGE_WRITABLE;
  if (code) return access === Access.Write ? -1 - (error | 1) : page;
  return -1 - error;
}
