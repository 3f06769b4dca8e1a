import { Reg, Seg } from '../../src/names.ts';
import { AC, DF, IF, OSZAPC } from '../../src/row.ts';
import type { Instance } from './instances.ts';
import { CODE_BASE, CODE_END, DATA_BASE, DATA_END } from './layout.ts';
import type { Random } from './random.ts';
import { operandValue } from './random.ts';
import { CODE_16, FS_CHOICES, LDT, ldt, STACKS_16, USER_CODE, USER_DATA } from './segments.ts';
import type { Patch, VectorInput } from './vector.ts';

const PAGE = 0x1000;
const OVERRIDES: readonly [number, number][] = [
  [Seg.ES, 0x26],
  [Seg.CS, 0x2e],
  [Seg.SS, 0x36],
  [Seg.DS, 0x3e],
  [Seg.FS, 0x64],
];
const STARTING_FLAGS = IF | 2;

/** The state of one vector while it is being made up. */
export class CaseBuilder {
  readonly random: Random;
  readonly instance: Instance;
  readonly regs: number[];
  /** Registers whose value is settled. */
  readonly pinned: Set<number> = new Set();
  /** Those of them that point at data. */
  readonly pointers: Set<number> = new Set();
  readonly addressSize: 16 | 32;
  readonly override: number;
  /** Index of the segment in FS. */
  readonly fs: number;
  readonly code16: boolean;
  /** Selector of the stack. */
  readonly ss: number;
  eflags: number;
  maxSteps = 1;
  lock = false;
  /** 0, 0xf2 or 0xf3. */
  rep = 0;
  /** Added by a profile to where the r/m operand's access lies, from its effective address (bit strings). */
  displacement = 0;
  /** Value of the register that holds a bit index. */
  bitIndex: number | null = null;
  /** What the r/m operand in memory holds. */
  memoryValues: readonly number[];
  readonly #patches: Patch[] = [];
  readonly #pool: readonly number[];

  constructor(instance: Instance, random: Random) {
    this.instance = instance;
    this.random = random;
    this.#pool = [operandValue(random), operandValue(random)];
    this.regs = Array.from({ length: 8 }, () => this.value());
    this.memoryValues = [this.value(), this.value()];
    this.addressSize = random.oneIn(4) ? 16 : 32;
    this.override = random.oneIn(8) ? random.pick(OVERRIDES)[0] : -1;
    this.fs = random.below(FS_CHOICES);
    this.code16 = random.oneIn(10);
    this.ss = random.oneIn(10) ? random.pick(STACKS_16) : USER_DATA;
    this.eflags = STARTING_FLAGS | (random.u32() & OSZAPC);
    if (random.oneIn(4)) this.eflags |= DF;
    if (random.oneIn(32)) this.eflags |= AC;
    if (random.oneIn(2)) this.pointStack(Reg.ESP);
  }

  /** An operand; equal ones are frequent. */
  value(): number {
    return this.random.oneIn(3) ? this.random.pick(this.#pool) : operandValue(this.random);
  }

  /** An address in the data pages: often unaligned, sometimes across the pages or beyond either end. */
  target(): number {
    const { random } = this;
    const middle = DATA_BASE + PAGE;
    switch (random.below(16)) {
      case 0:
        return middle - random.below(8);
      case 1:
        return random.oneIn(2) ? DATA_END - 8 + random.below(12) : DATA_BASE - 4 + random.below(8);
      case 2:
      case 3:
      case 4:
        return DATA_BASE + 0x200 + random.below(DATA_END - DATA_BASE - 0x400);
      default:
        return (DATA_BASE + 0x200 + random.below(DATA_END - DATA_BASE - 0x400)) & ~3;
    }
  }

  /** Base of the segment that an access without a stack base goes through. */
  dataBase(): number {
    return this.override === Seg.FS ? (LDT[this.fs]?.base ?? 0) : 0;
  }

  /** Truncated registers keep a random upper half. */
  pointer(offset: number): number {
    if (this.addressSize === 32) return offset >>> 0;
    return ((offset & 0xffff) | (this.random.u32() << 16)) >>> 0;
  }

  /** Points a register of the stack at data: the upper half is random where SP has 16 bits. */
  pointStack(reg: number): void {
    if (this.ss === USER_DATA) {
      this.point(reg);
      return;
    }
    this.regs[reg] = ((this.target() & 0xffff) | (this.random.u32() << 16)) >>> 0;
    this.pinned.add(reg);
  }
  /** Where a register of the stack points. */
  stackAddress(reg: number): number {
    const value = this.regs[reg] as number;
    return this.ss === USER_DATA ? value : value & 0xffff;
  }

  /** Points a register at data and settles it. */
  point(reg: number, offset: number = this.target()): void {
    this.regs[reg] = offset >>> 0;
    this.pinned.add(reg);
    this.pointers.add(reg);
  }

  patch(address: number, bytes: readonly number[]): void {
    const inside = address >= DATA_BASE && address + bytes.length <= DATA_END;
    if (inside) this.#patches.push({ address, bytes });
  }
  patch32(address: number, ...values: number[]): void {
    this.patch(
      address,
      values.flatMap((v) => [v & 0xff, (v >>> 8) & 0xff, (v >>> 16) & 0xff, v >>> 24]),
    );
  }

  /** Prefix bytes in random order. */
  prefixes(): number[] {
    const bytes: number[] = [];
    if ((this.instance.operandSize === 16) !== this.code16) bytes.push(0x66);
    if ((this.addressSize === 16) !== this.code16) bytes.push(0x67);
    const override = OVERRIDES.find(([segment]) => segment === this.override);
    if (override) bytes.push(override[1]);
    if (this.lock) bytes.push(0xf0);
    if (this.rep) bytes.push(this.rep);
    for (let i = bytes.length - 1; i > 0; i--) {
      const j = this.random.below(i + 1);
      [bytes[i], bytes[j]] = [bytes[j] as number, bytes[i] as number];
    }
    return bytes;
  }

  /** Mostly within a page, sometimes across two, rarely into the unmapped page behind the code. */
  #place(length: number): number {
    const { random } = this;
    if (random.oneIn(16)) return CODE_BASE + PAGE - 1 - random.below(length);
    if (this.maxSteps > 0 && random.oneIn(64)) return CODE_END - 1 - random.below(length);
    return CODE_BASE + random.below(CODE_END - CODE_BASE - 16);
  }

  finish(code: readonly number[]): VectorInput {
    const eip = this.#place(code.length);
    const visible = code.slice(0, CODE_END - eip);
    const patches = [...this.#patches, { address: eip, bytes: visible }];
    const { regs, eflags, maxSteps } = this;
    const segments = { cs: this.code16 ? CODE_16 : USER_CODE, ss: this.ss, fs: ldt(this.fs) };
    return { regs, eip, eflags, segments, maxSteps, patches, code };
  }
}
