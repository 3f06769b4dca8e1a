import { Cpu } from '../../src/cpu.ts';
import { Exit, PAGE_WRITABLE, Seg } from '../../src/names.ts';
import { CPU_RESERVED_BYTES, S, X87_BYTES } from '../../src/state.ts';
import { X87Unit } from '../../src/x87/unit.ts';
import type { Outcome } from './wire.ts';

const RAM_BYTES = 0x20000;
const CODE = 0x1000;
const OPERAND = 0x3000;
const WASM_PAGE = 0x10000;
const FLAGS_COMPARED = 0xd5;

/** A Cpu that runs single x87 instructions. */
export class X87Machine {
  readonly cpu: Cpu;
  readonly #ram: Uint8Array;
  readonly #unit: X87Unit;

  constructor() {
    const pages = (CPU_RESERVED_BYTES + RAM_BYTES) / WASM_PAGE;
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    this.cpu = new Cpu({
      memory,
      ramBase: CPU_RESERVED_BYTES,
      ramBytes: RAM_BYTES,
      bus: {
        translate: (linear) => ((linear & ~0xfff) >>> 0) | PAGE_WRITABLE,
        readDescriptor: () => 1,
        setAccessed: () => {},
        cpuid: () => false,
        rdtsc: () => 0,
      },
    });
    this.#ram = new Uint8Array(memory.buffer, CPU_RESERVED_BYTES, RAM_BYTES);
    this.#unit = new X87Unit(this.cpu.state);
    this.cpu.seg.setRaw(Seg.CS, 0x73, 0, 0xffffffff, 0xc0fb);
    for (const s of [Seg.DS, Seg.ES, Seg.SS]) this.cpu.seg.setRaw(s, 0x7b, 0, 0xffffffff, 0xc0f3);
    this.cpu.forceGeneric = true;
  }

  /** Runs a request. */
  run(request: Uint8Array): Outcome {
    const view = new DataView(request.buffer, request.byteOffset, request.byteLength);
    const { cpu } = this;
    const unit = this.#unit;
    const words = cpu.state;
    this.#ram.set(request.subarray(8, 8 + (request[5] ?? 0)), CODE);
    this.#ram.set(request.subarray(96, 112), OPERAND);
    const status = view.getUint16(2, true);
    const top = (status >> 11) & 7;
    let tags = 0;
    for (let i = 0; i < 8; i++) {
      const n = (top + i) & 7;
      const from = 16 + 10 * i;
      words[(S.x87 + n * X87_BYTES) >> 2] = view.getInt32(from, true);
      words[(S.x87 + n * X87_BYTES + 4) >> 2] = view.getInt32(from + 4, true);
      words[(S.x87 + n * X87_BYTES + 8) >> 2] = view.getUint16(from + 8, true);
      if (((request[4] ?? 0) >> i) & 1) tags |= 1 << n;
    }
    unit.tags = tags;
    unit.control = view.getUint16(0, true);
    unit.status = status;
    cpu.eip = CODE;
    cpu.eflags = 0x202 | (request[6] ?? 0);
    cpu.regs[0] = 0x1234;
    cpu.regs[6] = OPERAND;
    const exit = cpu.run(1);
    const fault = exit === Exit.Fault;
    return this.#outcome(fault ? cpu.exit.vector : 0);
  }

  #outcome(vector: number): Outcome {
    const { cpu } = this;
    const unit = this.#unit;
    const registers = new Uint8Array(80);
    const view = new DataView(registers.buffer);
    let tags = 0;
    for (let i = 0; i < 8; i++) {
      const v = unit.raw(i);
      view.setBigUint64(10 * i, v.mantissa, true);
      view.setUint16(10 * i + 8, (v.sign << 15) | v.exponent, true);
      const n = (unit.top + i) & 7;
      const zero = v.exponent === 0 && v.mantissa === 0n;
      const valid = v.mantissa >> 63n !== 0n && v.exponent !== 0 && v.exponent !== 0x7fff;
      tags |= (unit.isEmpty(i) ? 3 : zero ? 1 : valid ? 0 : 2) << (2 * n);
    }
    return {
      control: unit.control & 0x1f3f,
      status: unit.status,
      tags,
      vector,
      flags: vector ? 0 : cpu.eflags & FLAGS_COMPARED,
      ax: vector ? 0 : cpu.regs[0]! & 0xffff,
      registers,
      memory: this.#ram.slice(OPERAND, OPERAND + 16),
    };
  }
}
