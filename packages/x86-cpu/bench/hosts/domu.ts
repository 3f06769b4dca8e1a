import { CPU_RESERVED_BYTES, Cpu, type CpuBus, Exit, PAGE_WRITABLE, Reg, Seg } from '../../src/index.ts';
import type { Stopwatch } from '../clock.ts';
import { loadImage } from '../image.ts';
import { OutputReader, type Sample } from '../programs.ts';

const RAM_BYTES = 16 << 20;
const PAGE_BYTES = 4096;
const SLICE = 1_000_000;
const LINUX_VECTOR = 0x80;
const SYS_EXIT = 1;
const SYS_WRITE = 4;
/** Page-fault error code: user mode. */
const PFEC_USER = 4;
/** Present, DPL 3, accessed, page-granular 4 GiB, 32-bit. */
const CODE_ATTR = 0xc0fb;
const DATA_ATTR = 0xc0f3;

/** Linear addresses are machine addresses. */
const identityBus: CpuBus = {
  translate: (linear) => (linear >>> 0 < RAM_BYTES ? (linear & -PAGE_BYTES) | PAGE_WRITABLE : -1 - PFEC_USER),
  readDescriptor: () => 1,
  setAccessed: () => {},
  cpuid: (_leaf, _subleaf, out) => {
    out.fill(0);
    return true;
  },
  rdtsc: () => 0,
};

/** domu's CPU with 16 MiB, flat segments and no paging, which runs the image at CPL 3 as Linux would. */
export class DomuHost {
  readonly #cpu: Cpu;
  readonly #ram: Uint8Array;

  constructor() {
    const pages = (CPU_RESERVED_BYTES + RAM_BYTES) / 65536;
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    this.#ram = new Uint8Array(memory.buffer, CPU_RESERVED_BYTES, RAM_BYTES);
    this.#cpu = new Cpu({ memory, ramBase: CPU_RESERVED_BYTES, ramBytes: RAM_BYTES, bus: identityBus });
  }

  run(image: Uint8Array, times: string, watch: Stopwatch): Sample[] {
    const cpu = this.#cpu;
    const reader = new OutputReader(watch, () => cpu.retired);
    this.#start(image, times);
    while (!reader.finished) {
      const exit = cpu.run(SLICE);
      if (exit === Exit.Budget) continue;
      if (exit !== Exit.Interrupt || cpu.exit.vector !== LINUX_VECTOR) {
        throw new Error(`exit ${exit}, vector ${cpu.exit.vector} at 0x${cpu.eip.toString(16)}`);
      }
      if (cpu.regs[Reg.EAX] === SYS_WRITE) reader.push(this.#ram[cpu.regs[Reg.ECX]!]!);
      else if (cpu.regs[Reg.EAX] === SYS_EXIT) break;
    }
    return reader.complete();
  }

  #start(image: Uint8Array, times: string): void {
    const cpu = this.#cpu;
    const { entry, end } = loadImage(image, this.#ram);
    cpu.flushTlb();
    for (const i of Object.values(Seg)) {
      cpu.seg.setRaw(i, i === Seg.CS ? 0x0b : 0x13, 0, 0xffffffff, i === Seg.CS ? CODE_ATTR : DATA_ATTR);
    }
    // The stack of a Linux program at its entry: argc, argv[0], argv[1].
    const stack = (end + PAGE_BYTES) & -PAGE_BYTES;
    const text = stack + 16;
    new Uint32Array(this.#ram.buffer, this.#ram.byteOffset + stack, 3).set([2, text, text]);
    this.#ram.set(new TextEncoder().encode(`${times}\0`), text);
    cpu.regs.fill(0);
    cpu.regs[Reg.ESP] = stack;
    cpu.eflags = 0x202;
    cpu.eip = entry;
  }
}
