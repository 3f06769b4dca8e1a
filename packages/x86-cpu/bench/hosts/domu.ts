import { FlatMachine } from '@domu/testkit';
import { type CpuOptions, Exit, Reg } from '../../src/index.ts';
import type { Stopwatch } from '../clock.ts';
import { loadImage } from '../image.ts';
import { OutputReader, type Sample } from '../programs.ts';

const RAM_BYTES = 16 << 20;
const PAGE_BYTES = 4096;
const SLICE = 1_000_000;
const LINUX_VECTOR = 0x80;
const SYS_EXIT = 1;
const SYS_WRITE = 4;

/** domu's CPU with 16 MiB, flat segments and no paging, which runs the image at CPL 3 as Linux would. */
export class DomuHost {
  readonly #machine: FlatMachine;

  constructor(engine: NonNullable<CpuOptions['engine']>) {
    this.#machine = new FlatMachine({ ramBytes: RAM_BYTES, engine });
  }

  run(image: Uint8Array, times: string, watch: Stopwatch): Sample[] {
    const { cpu, ram } = this.#machine;
    const reader = new OutputReader(watch, () => cpu.retired);
    this.#start(image, times);
    while (!reader.finished) {
      const exit = cpu.run(SLICE);
      if (exit === Exit.Budget) continue;
      if (exit !== Exit.Interrupt || cpu.exit.vector !== LINUX_VECTOR) {
        throw new Error(`exit ${exit}, vector ${cpu.exit.vector} at 0x${cpu.eip.toString(16)}`);
      }
      if (cpu.regs[Reg.EAX] === SYS_WRITE) reader.push(ram[cpu.regs[Reg.ECX]!]!);
      else if (cpu.regs[Reg.EAX] === SYS_EXIT) break;
    }
    return reader.complete();
  }

  #start(image: Uint8Array, times: string): void {
    const { ram } = this.#machine;
    const { entry, end } = loadImage(image, ram);
    // The stack of a Linux program at its entry: argc, argv[0], argv[1].
    const stack = (end + PAGE_BYTES) & -PAGE_BYTES;
    const text = stack + 16;
    new Uint32Array(ram.buffer, ram.byteOffset + stack, 3).set([2, text, text]);
    ram.set(new TextEncoder().encode(`${times}\0`), text);
    this.#machine.start(entry, stack);
  }
}
