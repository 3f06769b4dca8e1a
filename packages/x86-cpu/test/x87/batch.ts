import { Cpu } from '../../src/cpu.ts';
import { Exit, PAGE_WRITABLE, Reg, Seg } from '../../src/names.ts';
import { CPU_RESERVED_BYTES } from '../../src/state.ts';
import type { Outcome } from './wire.ts';

const RAM_BYTES = 0x400000;
const PAGE = 0x1000;
const WASM_PAGE = 0x10000;
/** Each form has a page of code to itself. */
const CODE = 0x100000;
const STACK = 0x4000;
const INPUT = 0x10000;
const OUTPUT = 0x80000;
const STRIDE = 160;
/** Inside an entry: the FNSAVE image, EFLAGS, then the memory operand of the input, or EAX of the output. */
const FLAGS = 0x70;
const TAIL = 0x74;
const ENVIRONMENT = 28;
const FLAGS_COMPARED = 0xd5;
const MAX_ENTRIES = 2000;

/** frstor [ebx]; push [ebx+FLAGS]; popf; lea esi, [ebx+TAIL]; mov eax, 0x1234 */
const BEFORE = [0xdd, 0x23, 0xff, 0x73, FLAGS, 0x9d, 0x8d, 0x73, TAIL, 0xb8, 0x34, 0x12, 0, 0];
/** pushf; pop [edi+FLAGS]; mov [edi+TAIL], eax; fnsave [edi]; add ebx, STRIDE; add edi, STRIDE; dec ecx; jnz; hlt */
const AFTER = [
  [0x9c, 0x8f, 0x47, FLAGS, 0x89, 0x47, TAIL, 0xdd, 0x37],
  [0x81, 0xc3, STRIDE, 0, 0, 0, 0x81, 0xc7, STRIDE, 0, 0, 0, 0x49, 0x75],
].flat();
const HLT = 0xf4;

/** Runs one instruction on many states in a loop, so that it is compiled. */
export class X87Batch {
  readonly #cpu: Cpu;
  readonly #ram: Uint8Array;
  readonly #view: DataView;
  #forms = 0;

  constructor() {
    const pages = (CPU_RESERVED_BYTES + RAM_BYTES) / WASM_PAGE;
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    this.#cpu = new Cpu({
      memory,
      ramBase: CPU_RESERVED_BYTES,
      ramBytes: RAM_BYTES,
      engine: 'jit',
      hotBranches: 8,
      bus: {
        translate: (linear) => ((linear & ~0xfff) >>> 0) | PAGE_WRITABLE,
        readDescriptor: () => 1,
        setAccessed: () => {},
        cpuid: () => false,
        rdtsc: () => 0,
      },
    });
    this.#ram = new Uint8Array(memory.buffer, CPU_RESERVED_BYTES, RAM_BYTES);
    this.#view = new DataView(memory.buffer, CPU_RESERVED_BYTES, RAM_BYTES);
    this.#cpu.seg.setRaw(Seg.CS, 0x73, 0, 0xffffffff, 0xc0fb);
    for (const s of [Seg.DS, Seg.ES, Seg.SS]) this.#cpu.seg.setRaw(s, 0x7b, 0, 0xffffffff, 0xc0f3);
  }

  /** Regions compiled so far. */
  get compiled(): number {
    return this.#cpu.codeMetrics?.compiled ?? 0;
  }

  /** @param requests at most 2000, all of one form, none of which traps */
  run(code: readonly number[], requests: readonly Uint8Array[]): Outcome[] {
    if (requests.length > MAX_ENTRIES) throw new Error('too many vectors for one batch');
    const loop = [...BEFORE, ...code, ...AFTER];
    const start = CODE + PAGE * this.#forms++;
    this.#ram.set([...loop, (-loop.length - 1) & 0xff, HLT], start);
    for (const [i, r] of requests.entries()) this.#put(r, INPUT + i * STRIDE);
    const cpu = this.#cpu;
    cpu.eip = start;
    cpu.eflags = 0x202;
    cpu.regs[Reg.EBX] = INPUT;
    cpu.regs[Reg.EDI] = OUTPUT;
    cpu.regs[Reg.ECX] = requests.length;
    cpu.regs[Reg.ESP] = STACK;
    let exit: number = Exit.Budget;
    while (exit === Exit.Budget) exit = cpu.run(100_000);
    if (this.#ram[cpu.eip] !== HLT) throw new Error(`vector ${cpu.exit.vector} at ${cpu.eip.toString(16)}`);
    return requests.map((_, i) => this.#outcome(i));
  }

  #put(request: Uint8Array, at: number): void {
    const view = this.#view;
    const given = new DataView(request.buffer, request.byteOffset);
    const status = given.getUint16(2, true);
    const top = (status >> 11) & 7;
    let tags = 0;
    for (let i = 0; i < 8; i++) if (!(((request[4] ?? 0) >> i) & 1)) tags |= 3 << (2 * ((top + i) & 7));
    [given.getUint16(0, true), status, tags, 0, 0, 0, 0].forEach((w, i) => {
      view.setUint32(at + 4 * i, w, true);
    });
    this.#ram.set(request.subarray(16, 96), at + ENVIRONMENT);
    view.setUint32(at + FLAGS, 0x202 | (request[6] ?? 0), true);
    this.#ram.set(request.subarray(96, 112), at + TAIL);
  }

  #outcome(i: number): Outcome {
    const [input, output] = [INPUT + i * STRIDE, OUTPUT + i * STRIDE];
    const view = this.#view;
    return {
      control: view.getUint16(output, true) & 0x1f3f,
      status: view.getUint16(output + 4, true),
      tags: view.getUint16(output + 8, true),
      vector: 0,
      flags: view.getUint32(output + FLAGS, true) & FLAGS_COMPARED,
      ax: view.getUint16(output + TAIL, true),
      registers: this.#ram.slice(output + ENVIRONMENT, output + ENVIRONMENT + 80),
      memory: this.#ram.slice(input + TAIL, input + TAIL + 16),
    };
  }
}
