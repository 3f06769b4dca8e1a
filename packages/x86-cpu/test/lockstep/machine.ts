import { decode, isDecodeError } from '../../src/decode/index.ts';
import { CPU_RESERVED_BYTES, Cpu, type CpuContext, Exit, Seg } from '../../src/index.ts';
import { INDIRECT, INDIRECT_ENTRIES, PROFILE, PROFILE_ENTRIES } from '../../src/state.ts';
import {
  CODE_ATTR,
  COPY_OFFSET,
  DATA_ATTR,
  DESCRIPTORS,
  PROGRAM_AT,
  RAM_BYTES,
  WorldChange,
} from './layout.ts';
import type { Program } from './program.ts';
import { World } from './world.ts';

/** Counters of branch targets start below it by as much as a program asks for. */
const HOT = 60_000;
/** How often a hot target comes again before it is compiled without others. */
const WAIT = 2;
const NOP = 0x90;
const PAGE = 0x1000;
const CODE_SELECTOR = 0x23;
const DATA_SELECTOR = 0x2b;
const OTHER_CONSTANT = 0x11;
const FILL_STEPS = [0x9e3779b1, 3, 0x1000193, 0x10];
/** Memory at first, by what a program chooses. */
const FILLS: readonly Uint8Array[] = FILL_STEPS.map((step) =>
  Uint8Array.from({ length: RAM_BYTES }, (_, i) => Math.imul(i, step) >>> 3),
);

/** One CPU with its own memory, run in slices. */
export class LockstepMachine {
  readonly cpu: Cpu;
  readonly ram: Buffer;
  readonly #world: World = new World();
  readonly #fresh: CpuContext;
  /** How often branch targets were reached, and where indirect branches went. */
  readonly #counters: Uint16Array;
  readonly #indirect: Int32Array;
  /** Instructions retired when the program started. */
  #base = 0;

  constructor(engine: 'interpreter' | 'jit') {
    const pages = (CPU_RESERVED_BYTES + RAM_BYTES) >> 16;
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    this.ram = Buffer.from(memory.buffer, CPU_RESERVED_BYTES, RAM_BYTES);
    this.#counters = new Uint16Array(memory.buffer, PROFILE, PROFILE_ENTRIES);
    this.#indirect = new Int32Array(memory.buffer, INDIRECT, INDIRECT_ENTRIES * 2);
    this.cpu = new Cpu({
      memory,
      ramBase: CPU_RESERVED_BYTES,
      ramBytes: RAM_BYTES,
      engine,
      hotBranches: HOT,
      waitBranches: WAIT,
      bus: {
        translate: (linear, access) => this.#world.translate(linear, access),
        readDescriptor: (selector, out) => {
          const words = DESCRIPTORS[selector >> 3];
          if (!words || selector & 4) return 1;
          out.set(words);
          return 0;
        },
        setAccessed: () => undefined,
        descriptorAddress: () => -1,
        cpuid: (leaf, subleaf, out) => {
          this.change(leaf);
          return out.set([leaf, subleaf, leaf ^ subleaf, this.retired]) === undefined;
        },
        rdtsc: () => this.retired,
      },
    });
    for (const i of Object.values(Seg)) {
      const [selector, attr] = i === Seg.CS ? [CODE_SELECTOR, CODE_ATTR] : [DATA_SELECTOR, DATA_ATTR];
      this.cpu.seg.setRaw(i, selector, 0, 0xffffffff, attr);
    }
    this.#fresh = this.cpu.createContext();
    this.cpu.saveContext(this.#fresh);
  }

  /** Instructions that the program has retired. */
  get retired(): number {
    return this.cpu.retired - this.#base;
  }

  /** Nothing of the program before is left: not its code, what was learnt of it, its mappings or its state. */
  start({ code, constants, registers, fill, cr0, cr4, ...hot }: Program): void {
    const { cpu, ram } = this;
    this.#world.reset();
    cpu.flushTlb();
    cpu.dropCompiledCode();
    cpu.loadContext(this.#fresh);
    this.#indirect.fill(0);
    this.#warm(hot, code.length);
    ram.set(FILLS[fill % FILLS.length]!);
    ram.set(code, PROGRAM_AT);
    ram.set(code, PROGRAM_AT + COPY_OFFSET);
    for (const at of constants) ram[PROGRAM_AT + COPY_OFFSET + at]! ^= OTHER_CONSTANT;
    cpu.regs.set(registers);
    cpu.cr0 = cr0;
    cpu.cr4 = cr4;
    cpu.eip = PROGRAM_AT;
    this.#base = cpu.retired;
  }

  /** Which branch targets can become hot, and when. */
  #warm({ patience, hotShare, top }: Pick<Program, 'patience' | 'hotShare' | 'top'>, length: number): void {
    const counters = this.#counters;
    const hot = HOT - patience;
    counters.fill(hotShare === 1 ? hot : 0);
    for (let i = 0; i < length; i++) {
      const at = PROGRAM_AT + i;
      if ((Math.imul(at ^ length, 0x9e3779b1) >>> 16) % hotShare === 0) counters[at % PROFILE_ENTRIES] = hot;
    }
    counters[top % PROFILE_ENTRIES] = hot;
  }

  /** Does what `WorldChange` says. */
  change(what: number): void {
    const { cpu } = this;
    const [page, argument] = [(what >>> 4) & 63, (what >>> 12) & 0xfff];
    switch (what & 15) {
      case WorldChange.invlpg:
        cpu.invlpg(page * PAGE);
        return;
      case WorldChange.flush:
        cpu.flushTlb();
        return;
      case WorldChange.protect:
        this.#world.protect(page);
        cpu.invlpg(page * PAGE);
        return;
      case WorldChange.remap:
        this.#world.remap(page, argument);
        cpu.invlpg(page * PAGE);
        return;
      case WorldChange.remapAndFlush:
        this.#world.remap(page, argument);
        cpu.flushTlb();
        return;
      case WorldChange.write:
        this.#write(PROGRAM_AT + argument);
        return;
      case WorldChange.switchSpace:
        this.#world.switchSpace();
        cpu.flushTlb();
    }
  }

  /** A device writes a byte: to a constant of the program when it is one, or to what it may be. */
  #write(at: number): void {
    this.ram[at]! ^= 1;
    this.cpu.memoryChanged(at, 1);
  }

  /** Runs at most `budget` instructions; a fault skips its instruction. @returns what happened, as text; empty when nothing did */
  slice(budget: number): string {
    const { cpu } = this;
    const exit = cpu.run(budget);
    if (exit === Exit.Budget) return '';
    const what = `${exit} vector ${cpu.exit.vector}/${cpu.exit.errorCode} cr2 ${cpu.cr2}`;
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
    const at = this.#world.offset(this.cpu.eip);
    const insn = decode(this.ram.subarray(at, Math.min(at + 15, RAM_BYTES)));
    return isDecodeError(insn) ? 1 : insn.length;
  }

  /** Runs a program for `budget` instructions. @returns it with NOPs for what faulted then, so that it mostly runs on */
  tame(program: Program, budget: number): Program {
    const { cpu } = this;
    const code = [...program.code];
    this.start(program);
    while (this.retired < budget && cpu.run(budget - this.retired) === Exit.Fault) {
      const at = cpu.eip - PROGRAM_AT;
      if (program.spare.has(at)) code.fill(NOP, at, at + this.#length());
      this.#skip();
    }
    return { ...program, code };
  }
}
