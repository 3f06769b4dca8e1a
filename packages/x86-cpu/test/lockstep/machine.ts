import { decode, isDecodeError } from '../../src/decode/index.ts';
import { Access, CPU_RESERVED_BYTES, Cpu, Exit, PAGE_WRITABLE, Seg } from '../../src/index.ts';
import { PROGRAM_AT } from './program.ts';

const RAM_PAGES = 16;
const RAM_BYTES = RAM_PAGES * 4096;
const NOT_PRESENT = 4;
const READ_ONLY = 5;

/**
 * A small memory that shows up all over the linear address space, page by page, with holes and read-only pages in
 * between: random pointers hit something most of the time, and code is reachable by stores through many aliases.
 */
function translate(linear: number, access: number): number {
  const page = linear >>> 12;
  const kind = page & 15;
  const low = page < 8;
  if (!low && kind === 7) return -1 - NOT_PRESENT;
  if (!low && kind === 5 && access === Access.Write) return -1 - (NOT_PRESENT | 3);
  const writable = low || kind !== READ_ONLY ? PAGE_WRITABLE : 0;
  return (page & (RAM_PAGES - 1)) * 4096 + writable;
}

/** One CPU with its own memory, run in slices. */
export class LockstepMachine {
  readonly cpu: Cpu;
  readonly ram: Uint8Array;

  constructor(engine: 'interpreter' | 'jit', hotBranches: number) {
    const pages = (CPU_RESERVED_BYTES + RAM_BYTES) >> 16;
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    this.ram = new Uint8Array(memory.buffer, CPU_RESERVED_BYTES, RAM_BYTES);
    this.cpu = new Cpu({
      memory,
      ramBase: CPU_RESERVED_BYTES,
      ramBytes: RAM_BYTES,
      engine,
      hotBranches,
      bus: {
        translate,
        readDescriptor: () => 1,
        setAccessed: () => undefined,
        cpuid: (_leaf, _subleaf, out) => out.fill(0x1234) !== undefined,
        rdtsc: () => this.cpu.retired,
      },
    });
  }

  start(program: readonly number[], registers: readonly number[], fill: number): void {
    const { cpu, ram } = this;
    cpu.flushTlb();
    cpu.dropCompiledCode();
    for (let i = 0; i < ram.length; i++) ram[i] = (i * fill) >>> 3;
    ram.set(program, PROGRAM_AT);
    for (const i of Object.values(Seg)) {
      cpu.seg.setRaw(i, i === Seg.CS ? 0x23 : 0x2b, 0, 0xffffffff, i === Seg.CS ? 0xc0fb : 0xc0f3);
    }
    cpu.regs.set(registers);
    cpu.eflags = 2;
    cpu.eip = PROGRAM_AT;
  }

  /** Runs at most `budget` instructions; a fault skips its instruction. @returns what happened, as text */
  slice(budget: number): string {
    const { cpu } = this;
    const exit = cpu.run(budget);
    const what =
      exit === Exit.Budget
        ? 'budget'
        : `${exit} vector ${cpu.exit.vector}/${cpu.exit.errorCode} cr2 ${cpu.cr2}`;
    if (exit === Exit.Fault) this.#skip();
    return what;
  }

  #skip(): void {
    const { cpu } = this;
    const at = cpu.eip % RAM_BYTES;
    const insn = decode(this.ram.subarray(at, Math.min(at + 15, RAM_BYTES)));
    cpu.eip = (cpu.eip + (isDecodeError(insn) ? 1 : insn.length)) >>> 0;
    cpu.eflags &= ~0x100;
  }

  /** A hash of memory. */
  memory(): number {
    let hash = 0;
    const words = new Int32Array(this.ram.buffer, this.ram.byteOffset, RAM_BYTES >> 2);
    for (let i = 0; i < words.length; i++) hash = (Math.imul(hash, 31) + words[i]!) | 0;
    return hash;
  }
}
