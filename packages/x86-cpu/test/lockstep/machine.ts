import { decode, isDecodeError } from '../../src/decode/index.ts';
import { Access, CPU_RESERVED_BYTES, Cpu, Exit, PAGE_WRITABLE, Seg } from '../../src/index.ts';
import { PROFILE, PROFILE_ENTRIES } from '../../src/state.ts';
import { LOOP_END, PROGRAM_AT, type Program } from './program.ts';

const RAM_PAGES = 16;
const RAM_BYTES = RAM_PAGES * 4096;
const NOT_PRESENT = 4;
const READ_ONLY = 5;
/** Counters of branch targets start below it by as much as a program asks for. */
const HOT = 60_000;
const NOP = 0x90;

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
  readonly #fills: readonly Uint8Array[] = [0x9e3779b1, 3, 0x1000193, 0x10].map((step) =>
    Uint8Array.from({ length: RAM_BYTES }, (_, i) => Math.imul(i, step) >>> 3),
  );
  /** How often branch targets were reached. */
  readonly #counters: Uint16Array;

  constructor(engine: 'interpreter' | 'jit') {
    const pages = (CPU_RESERVED_BYTES + RAM_BYTES) >> 16;
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    this.ram = new Uint8Array(memory.buffer, CPU_RESERVED_BYTES, RAM_BYTES);
    this.#counters = new Uint16Array(memory.buffer, PROFILE, PROFILE_ENTRIES);
    this.cpu = new Cpu({
      memory,
      ramBase: CPU_RESERVED_BYTES,
      ramBytes: RAM_BYTES,
      engine,
      hotBranches: HOT,
      bus: {
        translate,
        readDescriptor: () => 1,
        setAccessed: () => undefined,
        cpuid: (_leaf, _subleaf, out) => out.fill(0x1234) !== undefined,
        rdtsc: () => this.cpu.retired,
      },
    });
  }

  /** @param patience branch targets become hot when they were reached more often than this */
  start({ code, registers, fill, patience }: Program): void {
    const { cpu, ram } = this;
    cpu.flushTlb();
    cpu.dropCompiledCode();
    this.#counters.fill(HOT - patience);
    ram.set(this.#fills[fill % this.#fills.length]!);
    ram.set(code, PROGRAM_AT);
    for (const i of Object.values(Seg)) {
      cpu.seg.setRaw(i, i === Seg.CS ? 0x23 : 0x2b, 0, 0xffffffff, i === Seg.CS ? 0xc0fb : 0xc0f3);
    }
    cpu.regs.set(registers);
    cpu.eflags = 2;
    cpu.cr2 = 0;
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
    cpu.eip = (cpu.eip + this.#length()) >>> 0;
    cpu.eflags &= ~0x100;
  }

  /** Bytes of the instruction at EIP. */
  #length(): number {
    const at = this.cpu.eip % RAM_BYTES;
    const insn = decode(this.ram.subarray(at, Math.min(at + 15, RAM_BYTES)));
    return isDecodeError(insn) ? 1 : insn.length;
  }

  /** Runs a program for `budget` instructions. @returns it with NOPs for what faulted then, so that it mostly runs on */
  tame(program: Program, budget: number): Program {
    const { cpu } = this;
    const code = [...program.code];
    this.start(program);
    const end = cpu.retired + budget;
    while (cpu.retired < end && cpu.run(end - cpu.retired) === Exit.Fault) {
      const at = cpu.eip - PROGRAM_AT;
      const length = this.#length();
      if (at >= 0 && at + length < code.length - LOOP_END) code.fill(NOP, at, at + length);
      this.#skip();
    }
    return { ...program, code };
  }

  /** A hash of memory. */
  memory(): number {
    let hash = 0;
    const words = new Int32Array(this.ram.buffer, this.ram.byteOffset, RAM_BYTES >> 2);
    for (let i = 0; i < words.length; i++) hash = (Math.imul(hash, 31) + words[i]!) | 0;
    return hash;
  }
}
