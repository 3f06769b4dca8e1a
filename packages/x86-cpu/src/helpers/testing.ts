import { Reg, Seg } from '../names.ts';
import { unpack } from './descriptor.ts';
import type { HelperCpu, SegmentFile } from './helper-cpu.ts';

/** Status that the fake returns for a recorded fault. */
export const FAULTED = 2;

/** Linear addresses from here on are not mapped. */
const MEMORY_BYTES = 0x10000;

interface Parts {
  selector: number;
  base: number;
  limit: number;
  attr: number;
}

class FakeSegments implements SegmentFile {
  readonly parts: Parts[] = Array.from({ length: 6 }, () => ({ selector: 0, base: 0, limit: 0, attr: 0 }));
  selector(i: number): number {
    return this.parts[i]!.selector;
  }
  base(i: number): number {
    return this.parts[i]!.base;
  }
  limit(i: number): number {
    return this.parts[i]!.limit;
  }
  attr(i: number): number {
    return this.parts[i]!.attr;
  }
  setRaw(i: number, selector: number, base: number, limit: number, attr: number): void {
    this.parts[i] = { selector, base, limit, attr };
  }
  store(i: number, selector: number, base: number, limit: number, attr: number): void {
    this.setRaw(i, selector, base, limit, attr);
  }
}

export interface Access {
  /** Type (4 bits) and S, as 0x10 | type for code and data. */
  readonly type: number;
  readonly dpl: number;
  readonly present?: boolean;
  readonly limit?: number;
  readonly base?: number;
  /** D/B; default true. */
  readonly big?: boolean;
}

/** Descriptor words for a byte-granular limit below 1 MiB, or a page-granular one. */
export function descriptor({
  type,
  dpl,
  present = true,
  limit = 0xffffffff,
  base = 0,
  big = true,
}: Access): [number, number] {
  const pages = limit > 0xfffff;
  const units = pages ? limit >>> 12 : limit;
  const low = (units & 0xffff) | ((base & 0xffff) << 16);
  const access = type | (dpl << 5) | (present ? 0x80 : 0);
  const flags = (pages ? 8 : 0) | (big ? 4 : 0);
  const high =
    ((base >>> 16) & 0xff) | (access << 8) | (units & 0xf0000) | (flags << 20) | (base & 0xff000000);
  return [low >>> 0, high >>> 0];
}

/** Segment types for `descriptor`. */
export const CODE = 0x1a;
export const CONFORMING = 0x1e;
export const EXECUTE_ONLY = 0x18;
export const DATA = 0x12;
export const READ_ONLY = 0x10;

/** A CPU for helper tests: 64 KiB of linear memory and a descriptor table that the test fills. */
export class FakeCpu implements HelperCpu {
  readonly regs: Int32Array = new Int32Array(8);
  eip = 0x1000;
  nextEip = 0x1007;
  operandSize: 16 | 32 = 32;
  eflags = 0x1202;
  readonly seg: FakeSegments = new FakeSegments();
  readonly state: Int32Array = new Int32Array(0x1000);
  cr0 = 0x80050033;
  cr4 = 0;
  readonly scratch: Uint32Array = new Uint32Array(4);
  fastSystemCalls: { sysenter: boolean; syscall: boolean } = { sysenter: false, syscall: false };
  readonly faulted: number = FAULTED;
  readonly metrics: { udFpu: number } = { udFpu: 0 };
  readonly memory: DataView = new DataView(new ArrayBuffer(MEMORY_BYTES));
  readonly descriptors: HelperCpu['descriptors'] = { remember: () => undefined };
  readonly results: number[] = [0, 0, 0, 0];
  readonly table: Map<number, [number, number]> = new Map();
  readonly accessed: number[] = [];
  recorded: { vector: number; errorCode: number } | null = null;
  pageFaultAt: number | null = null;
  deferred = 0;
  ticks = 0;
  leaves: [number, number, number, number] | null = [1, 2, 3, 4];

  readonly bus: HelperCpu['bus'] = {
    readDescriptor: (selector, out) => {
      const words = this.table.get(selector & 0xfffc);
      if (selector === 0xfff8) {
        out[0] = 0xfee0;
        return -1 - 4;
      }
      if (!words) return 1;
      out.set(words);
      return 0;
    },
    setAccessed: (selector) => {
      this.accessed.push(selector & 0xfffc);
    },
    cpuid: (_leaf, _subleaf, out) => {
      if (!this.leaves) return false;
      out.set(this.leaves);
      return true;
    },
    rdtsc: () => this.ticks,
  };

  get cpl(): number {
    return this.seg.selector(Seg.CS) & 3;
  }

  /** Puts a descriptor into the table. @returns its selector with the given RPL */
  define(index: number, rpl: number, access: Access): number {
    this.table.set(index * 8, descriptor(access));
    return (index * 8) | rpl;
  }
  /** Loads a segment register without checks. */
  load(i: number, selector: number): void {
    const [low, high] = this.table.get(selector & 0xfffc)!;
    const d = unpack(selector, low, high);
    this.seg.setRaw(i, selector, d.base, d.limit, d.attr | 1);
  }
  /** Words on the stack from ESP up. */
  stack(...words: number[]): void {
    const bytes = this.operandSize / 8;
    words.forEach((w, i) => {
      this.writeLinear(this.regs[Reg.ESP]! + i * bytes, bytes as 2 | 4, w);
    });
  }
  /** All that a faulting instruction must leave alone. */
  snapshot(): unknown {
    const segments = this.seg.parts.map((p) => ({ ...p }));
    return {
      regs: [...this.regs],
      nextEip: this.nextEip,
      eflags: this.eflags,
      segments,
      accessed: [...this.accessed],
    };
  }

  systemRegister(register: number): number {
    return 0x100 + register;
  }
  readLinear(linear: number, sizeBytes: 1 | 2 | 4): number {
    if (!this.probeWrite(linear, sizeBytes)) return -1;
    if (sizeBytes === 1) return this.memory.getUint8(linear);
    return sizeBytes === 2 ? this.memory.getUint16(linear, true) : this.memory.getUint32(linear, true);
  }
  writeLinear(linear: number, sizeBytes: 1 | 2 | 4, value: number): boolean {
    if (!this.probeWrite(linear, sizeBytes)) return false;
    if (sizeBytes === 1) this.memory.setUint8(linear, value);
    else if (sizeBytes === 2) this.memory.setUint16(linear, value, true);
    else this.memory.setUint32(linear, value, true);
    return true;
  }
  probeWrite(linear: number, sizeBytes: number): boolean {
    if (linear + sizeBytes <= MEMORY_BYTES) return true;
    this.pageFault(linear, 0);
    return false;
  }
  setResult(i: number, value: number): void {
    this.results[i] = value;
  }
  fault(vector: number, errorCode: number): number {
    this.recorded = { vector, errorCode };
    return FAULTED;
  }
  pageFault(linear: number, errorCode: number): number {
    this.pageFaultAt = linear;
    return this.fault(14, errorCode);
  }
  deferTraps(): void {
    this.deferred++;
  }
}

/** A CPU at `cpl` with flat code (index 8 + cpl) and data (index 12 + cpl) segments of every level. */
export function flatCpu(cpl: number): FakeCpu {
  const cpu = new FakeCpu();
  for (let level = 0; level < 4; level++) {
    cpu.define(8 + level, level, { type: CODE, dpl: level });
    cpu.define(12 + level, level, { type: DATA, dpl: level });
  }
  cpu.load(Seg.CS, codeOf(cpl));
  for (const i of [Seg.ES, Seg.SS, Seg.DS]) cpu.load(i, dataOf(cpl));
  cpu.regs[Reg.ESP] = 0x8000;
  return cpu;
}
export const codeOf = (level: number): number => ((8 + level) << 3) | level;
export const dataOf = (level: number): number => ((12 + level) << 3) | level;
