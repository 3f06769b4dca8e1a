import {
  CPU_RESERVED_BYTES,
  Cpu,
  type CpuBus,
  type CpuOptions,
  PAGE_WRITABLE,
  Reg,
  Seg,
} from '@domu/x86-cpu';
import type { Assembled } from './asm/assembler.ts';

const PAGE_BYTES = 4096;
const WASM_PAGE_BYTES = 65536;
/** Bits of a page-fault error code. */
const PFEC_WRITE = 2;
const PFEC_USER = 4;
/** Present, S, accessed; page-granular, 32-bit. */
const CODE_ATTR = 0xc09b;
const DATA_ATTR = 0xc093;
const DPL_SHIFT = 5;
const RESET_EFLAGS = 0x202;

/** What the machine is like. */
export interface FlatMachineOptions {
  /** Memory from linear address 0 on; a multiple of 4096. 1 MiB when absent. */
  readonly ramBytes?: number;
  /** 1, 2 or 3 (when absent). */
  readonly cpl?: number;
  readonly engine?: CpuOptions['engine'];
  /** Replaces parts of the bus. */
  readonly bus?: Partial<CpuBus>;
}

/** Linear addresses are machine addresses; beyond memory is a page fault; there is no descriptor table. */
function identityBus(ramBytes: number): CpuBus {
  return {
    translate: (linear, access, user) =>
      linear >>> 0 < ramBytes
        ? ((linear >>> 0) & -PAGE_BYTES) | PAGE_WRITABLE
        : -1 - ((access === 1 ? PFEC_WRITE : 0) | (user ? PFEC_USER : 0)),
    readDescriptor: () => 1,
    setAccessed: () => {},
    cpuid: (_leaf, _subleaf, out) => {
      out.fill(0);
      return true;
    },
    rdtsc: () => 0,
  };
}

/** The least machine that runs code: a CPU with flat segments, no paging, and memory from address 0 on. */
export class FlatMachine {
  readonly cpu: Cpu;
  /** Memory; the index is the linear address. */
  readonly ram: Uint8Array;
  readonly #cpl: number;

  constructor(options: FlatMachineOptions = {}) {
    const ramBytes = options.ramBytes ?? 1 << 20;
    this.#cpl = options.cpl ?? 3;
    const pages = Math.ceil((CPU_RESERVED_BYTES + ramBytes) / WASM_PAGE_BYTES);
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    this.ram = new Uint8Array(memory.buffer, CPU_RESERVED_BYTES, ramBytes);
    this.cpu = new Cpu({
      memory,
      ramBase: CPU_RESERVED_BYTES,
      ramBytes,
      engine: options.engine,
      bus: { ...identityBus(ramBytes), ...options.bus },
    });
    this.start(0);
  }

  /** Registers as at the start of a program: all zero, EIP at `eip`, ESP at `esp` (the end of memory when absent). */
  start(eip: number, esp: number = this.ram.length): void {
    const { cpu } = this;
    const dpl = this.#cpl << DPL_SHIFT;
    cpu.flushTlb();
    for (const i of Object.values(Seg)) {
      const [selector, attr] = i === Seg.CS ? [0x08, CODE_ATTR] : [0x10, DATA_ATTR];
      cpu.seg.setRaw(i, selector | this.#cpl, 0, 0xffff_ffff, attr | dpl);
    }
    cpu.regs.fill(0);
    cpu.regs[Reg.ESP] = esp;
    cpu.eflags = RESET_EFLAGS;
    cpu.eip = eip;
  }

  /** Copies an assembled program to its origin and starts at its first byte. */
  load({ bytes, origin }: Assembled): void {
    this.ram.set(bytes, origin);
    this.start(origin);
  }
}
