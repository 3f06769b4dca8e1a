import { Cpu } from '../../src/cpu.ts';
import { Access, Exit, PAGE_WRITABLE, Seg } from '../../src/names.ts';
import { CPU_RESERVED_BYTES, S, X87_BYTES } from '../../src/state.ts';
import { At, BEFORE, DATA, DATA_END, type SimdInput, type SimdOutput, STATE_BYTES, WINDOW } from './state.ts';

const PAGE = 0x1000;
/** Each encoding has its own place. */
const CODE = 0x100000;
const CODE_END = 0x400000;
const SLOT = 32;
const OSFXSR_OSXMMEXCPT = 0x600;
const BREAKPOINT = 3;
const INT3 = 0xcc;
const LIMIT = 0xffffffff;

/** A Cpu on which SIMD vectors run; with the JIT every instruction is compiled at its second run. */
export class SimdMachine {
  readonly cpu: Cpu;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #places: Map<string, number> = new Map();
  #next = CODE;

  constructor(engine: 'interpreter' | 'jit') {
    const pages = (CPU_RESERVED_BYTES + CODE_END) >> 16;
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    const bus = {
      translate,
      readDescriptor: () => 1,
      setAccessed: () => {},
      cpuid: () => false,
      rdtsc: () => 0,
    };
    const options = { memory, ramBase: CPU_RESERVED_BYTES, ramBytes: CODE_END, bus, engine, hotBranches: 0 };
    this.cpu = new Cpu(options);
    this.#bytes = new Uint8Array(memory.buffer);
    this.#view = new DataView(memory.buffer);
    this.#bytes.fill(INT3, CPU_RESERVED_BYTES + CODE, CPU_RESERVED_BYTES + CODE_END);
    const { seg } = this.cpu;
    seg.setRaw(Seg.CS, 0x73, 0, LIMIT, 0xc0fb);
    for (const s of [Seg.DS, Seg.ES, Seg.SS]) seg.setRaw(s, 0x7b, 0, LIMIT, 0xc0f3);
    this.cpu.cr4 = OSFXSR_OSXMMEXCPT;
  }

  /** Address of an encoding, INT3 behind it. */
  #place(code: readonly number[]): number {
    const key = code.join();
    const known = this.#places.get(key);
    if (known !== undefined) return known;
    const at = this.#next;
    this.#next += (code.length + SLOT) & -SLOT;
    if (this.#next > CODE_END) throw new Error('too much code for one machine');
    this.#bytes.set(code, CPU_RESERVED_BYTES + at);
    this.#places.set(key, at);
    return at;
  }

  #load({ state, address }: SimdInput): void {
    const bytes = this.#bytes;
    const from = Buffer.from(state.buffer, state.byteOffset, state.length);
    for (let i = 0; i < 8; i++) {
      this.cpu.regs[i] = from.readInt32LE(At.regs + 4 * i);
      const r = S.x87 + X87_BYTES * i;
      bytes.set(state.subarray(At.mm + 8 * i, At.mm + 8 * i + 8), r);
      this.#view.setUint32(r + 8, 0, true);
    }
    this.cpu.eflags = from.readUInt32LE(At.eflags);
    this.#view.setUint32(S.mxcsr, from.readUInt32LE(At.mxcsr), true);
    this.#view.setUint32(S.ftags, 0, true);
    this.#view.setUint32(S.ftop, 0, true);
    bytes.set(state.subarray(At.xmm, At.xmm + 128), S.xmm);
    for (let i = 0; i < WINDOW; i++) {
      const at = address - BEFORE + i;
      if (at >= DATA && at < DATA_END) bytes[CPU_RESERVED_BYTES + at] = state[At.memory + i]!;
    }
  }

  /** Runs one vector, which may be several instructions. */
  run(input: SimdInput, budget = 2): SimdOutput {
    const { cpu } = this;
    this.#load(input);
    const at = this.#place(input.code);
    cpu.eip = at;
    const exit = cpu.run(budget);
    const { vector } = cpu.exit;
    const completed = exit === Exit.Fault && vector === BREAKPOINT && cpu.eip === at + input.code.length + 1;
    return {
      state: this.#store(input),
      vector: completed ? -1 : vector,
      tags: this.#view.getUint32(S.ftags, true),
      top: this.#view.getUint32(S.ftop, true),
      cr2: !completed && vector === 14 ? cpu.exit.cr2 >>> 0 : 0,
    };
  }

  #store({ state, address }: SimdInput): Uint8Array {
    const bytes = this.#bytes;
    const out = Buffer.alloc(STATE_BYTES);
    for (let i = 0; i < 8; i++) {
      out.writeInt32LE(this.cpu.regs[i]!, At.regs + 4 * i);
      const r = S.x87 + X87_BYTES * i;
      out.set(bytes.subarray(r, r + 8), At.mm + 8 * i);
    }
    out.writeUInt32LE(this.cpu.eflags, At.eflags);
    out.writeUInt32LE(this.#view.getUint32(S.mxcsr, true), At.mxcsr);
    out.set(bytes.subarray(S.xmm, S.xmm + 128), At.xmm);
    for (let i = 0; i < WINDOW; i++) {
      const at = address - BEFORE + i;
      const inside = at >= DATA && at < DATA_END;
      out[At.memory + i] = inside ? bytes[CPU_RESERVED_BYTES + at]! : state[At.memory + i]!;
    }
    return out;
  }
}

function translate(linear: number, access: number): number {
  const page = (linear & ~(PAGE - 1)) >>> 0;
  if (page >= DATA && page < DATA_END) return page | PAGE_WRITABLE;
  if (page >= CODE && page < CODE_END) return page;
  return -1 - (access === Access.Write ? 6 : 4);
}
