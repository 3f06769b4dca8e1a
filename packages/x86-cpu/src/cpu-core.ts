import type { CpuBus } from './bus.ts';
import type { CpuOptions } from './cpu.ts';
import type { CpuContext, CpuExit } from './cpu-state.ts';
import { DebugUnit } from './debug.ts';
import { DescriptorCache } from './descriptor-cache.ts';
import { decodeFlags, encodeAux, encodeResult } from './flags.ts';
import { STATUS_FAULT } from './interp/runtime.ts';
import { Access, PAGE_WRITABLE, Seg, Vector } from './names.ts';
import { AC, OSZAPC } from './row.ts';
import { SegmentFile } from './segments.ts';
import {
  MODE_ALIGN,
  MODE_BREAKPOINTS,
  MODE_SEGMENTS,
  MODE_SHADOW,
  REGION_HASH,
  REGION_HASH_BYTES,
  S,
  STATE_BYTES,
  TLB_BASE,
  TLB_USER,
} from './state.ts';
import { Tlb } from './tlb.ts';
import { careOf } from './x87/unit.ts';

const CR0_AM = 0x40000;
const CR0_DEFAULT = 0x80050033;
const EFLAGS_FIXED = 2;
/** FNINIT's control word and reset's MXCSR; the rest is zero. */
const FPU_RESET: readonly (readonly [number, number])[] = [
  [S.fcw, 0x37f],
  [S.mxcsr, 0x1f80],
];
const PAGE_BYTES = 4096;
/** Instruction bytes that `step` may look at from one address. */
const FETCH_BYTES = 16;
/** A context is the words before `vector`, and those of the FPU. */
const INTEGER_WORDS: number = S.vector >> 2;
const FPU_WORDS = { from: S.x87 >> 2, to: S.fpuEnd >> 2 } as const;

/** State, translation and faults of the CPU: all that instructions need beyond their own row. */
export class CpuCore {
  readonly bus: CpuBus;
  readonly regs: Int32Array;
  readonly seg: SegmentFile;
  /** Words of the state block. */
  readonly state: Int32Array;
  readonly debug: DebugUnit;
  readonly dr: Int32Array;
  readonly exit: CpuExit = { vector: 0, errorCode: -1, cr2: 0, length: 0, dr6: 0 };
  /** Instructions that raised #UD because the CPU lacks them. */
  readonly metrics: { udFpu: number; udUnknown: number } = { udFpu: 0, udUnknown: 0 };
  /** Which fast system calls exist; without them SYSENTER raises #GP(0) and SYSCALL #UD. */
  readonly fastSystemCalls: { sysenter: boolean; syscall: boolean } = { sysenter: false, syscall: false };
  /** What SGDT, SIDT, SLDT and STR store, by helpers' SystemRegister. */
  readonly systemRegisters: Uint32Array = new Uint32Array(6);
  /** Words for helpers. */
  readonly scratch: Uint32Array = new Uint32Array(4);
  readonly faulted: number = STATUS_FAULT;
  readonly #words: Int32Array;
  readonly #integer: Int32Array;
  readonly #fpu: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  protected readonly tlb: Tlb;
  readonly descriptors: DescriptorCache;
  readonly #ramBase: number;
  readonly #ramBytes: number;

  constructor({ memory, ramBase, ramBytes, bus }: CpuOptions) {
    this.bus = bus;
    this.#ramBase = ramBase;
    this.#ramBytes = ramBytes;
    this.state = new Int32Array(memory.buffer, 0, STATE_BYTES >> 2);
    this.#words = this.state;
    this.#integer = this.#words.subarray(0, INTEGER_WORDS);
    this.#fpu = this.#words.subarray(FPU_WORDS.from, FPU_WORDS.to);
    this.#bytes = new Uint8Array(memory.buffer);
    this.#view = new DataView(memory.buffer);
    this.regs = new Int32Array(memory.buffer, S.regs, 8);
    this.dr = new Int32Array(memory.buffer, S.dr, 8);
    this.descriptors = new DescriptorCache(memory, ramBase, bus);
    this.debug = new DebugUnit(this.#words);
    this.tlb = new Tlb(new Int32Array(memory.buffer, 0, ramBase >> 2));
    this.setWord(S.sysFlags, EFLAGS_FIXED);
    this.setWord(S.cr0, CR0_DEFAULT);
    for (const [offset, value] of FPU_RESET) this.setWord(offset, value);
    this.seg = new SegmentFile(this.#words, () => this.refreshMode());
    this.refreshMode();
  }

  protected word(offset: number): number {
    return this.#words[offset >> 2] ?? 0;
  }
  protected setWord(offset: number, value: number): void {
    this.#words[offset >> 2] = value;
  }

  /** Derives the mode of execution, the privilege level and the stack mask from segments, EFLAGS and control registers. */
  refreshMode(): void {
    const cpl = this.seg.selector(Seg.CS) & 3;
    this.setWord(S.cpl, cpl);
    this.setWord(S.tlb, TLB_BASE + (cpl === 3 ? TLB_USER : 0));
    this.setWord(S.regionHash, REGION_HASH + (cpl === 3 ? REGION_HASH_BYTES : 0));
    this.setWord(S.spMask, this.seg.stackMask());
    this.setWord(S.fcare, careOf(this.word(S.cr0), this.word(S.fcw), this.word(S.fsw)));
    const align = cpl === 3 && (this.word(S.sysFlags) & AC) !== 0 && (this.word(S.cr0) & CR0_AM) !== 0;
    const shadow = this.word(S.mode) & MODE_SHADOW;
    const segments = this.seg.isFlat() ? 0 : MODE_SEGMENTS;
    this.setWord(S.mode, shadow | segments | (align ? MODE_ALIGN : 0) | this.debug.mode());
  }

  get eip(): number {
    return this.word(S.eip) >>> 0;
  }
  set eip(value: number) {
    this.setWord(S.eip, value);
  }
  get eflags(): number {
    return (this.word(S.sysFlags) | decodeFlags(this.word(S.result), this.word(S.aux))) >>> 0;
  }
  set eflags(value: number) {
    this.setWord(S.result, encodeResult(value));
    this.setWord(S.aux, encodeAux(value));
    this.setWord(S.sysFlags, (value & ~OSZAPC) | EFLAGS_FIXED);
    this.refreshMode();
  }
  get cr0(): number {
    return this.word(S.cr0) >>> 0;
  }
  set cr0(value: number) {
    this.setWord(S.cr0, value);
    this.refreshMode();
  }
  get cr2(): number {
    return this.word(S.cr2) >>> 0;
  }
  set cr2(value: number) {
    this.setWord(S.cr2, value);
  }
  get cr4(): number {
    return this.word(S.cr4) >>> 0;
  }
  set cr4(value: number) {
    this.setWord(S.cr4, value);
  }
  get cpl(): number {
    return this.word(S.cpl);
  }
  /** Sets a debug register (0-3, 6, 7) as the CPU honours it. */
  setDr(n: number, value: number): void {
    this.dr[n] = value;
    this.refreshMode();
  }

  /** EIP of the next instruction while one executes. */
  get nextEip(): number {
    return this.word(S.next) >>> 0;
  }
  set nextEip(value: number) {
    this.setWord(S.next, value);
  }
  /** Operand size of the instruction that executes. */
  get operandSize(): 16 | 32 {
    return this.word(S.op16) ? 16 : 32;
  }
  /** Fills result slot `i` (0-3) of a helper. */
  setResult(i: number, value: number): void {
    this.setWord(S.results + 4 * i, value);
  }
  /** Holds back debug traps until the next instruction has retired: MOV SS, POP SS. */
  deferTraps(): void {
    this.setWord(S.mode, this.word(S.mode) | MODE_SHADOW);
  }

  /** Leaves a fault pending. @returns the status that helpers hand on */
  fault(vector: number, errorCode = -1): number {
    this.setWord(S.vector, vector);
    this.setWord(S.errorCode, errorCode);
    return STATUS_FAULT;
  }
  /** Leaves a page fault pending. */
  pageFault(linear: number, errorCode: number): number {
    this.exit.cr2 = linear;
    this.exit.vector = Vector.PF;
    this.exit.errorCode = errorCode;
    return this.fault(Vector.PF, errorCode);
  }
  systemRegister(register: number): number {
    return this.systemRegisters[register] ?? 0;
  }

  flushTlb(): void {
    this.tlb.flush();
  }
  invlpg(linear: number): void {
    this.tlb.flushPage(linear);
  }
  /** Whether a page holds compiled code. @param _host its byte offset in machine memory */
  protected isCode(_host: number): boolean {
    return false;
  }
  /** A store is about to change the page. @returns whether it holds compiled code still */
  protected storeToCode(_host: number, _offset: number): boolean {
    return false;
  }

  createContext(): CpuContext {
    const context = {
      integer: new Int32Array(INTEGER_WORDS),
      fpu: new Int32Array(FPU_WORDS.to - FPU_WORDS.from),
    };
    for (const [offset, value] of FPU_RESET) context.fpu[(offset - S.x87) >> 2] = value;
    return context;
  }
  saveContext(into: CpuContext): void {
    into.integer.set(this.#integer);
    into.fpu.set(this.#fpu);
  }
  /** Takes over a saved state. Translations stay: who loads a state of another address space flushes them. */
  loadContext(from: CpuContext): void {
    this.#integer.set(from.integer);
    this.#fpu.set(from.fpu);
    this.descriptors.forget();
    this.seg.reload();
    this.refreshMode();
  }

  /** Host address of the page of `linear`, or 0 with the page fault pending. */
  #translate(linear: number, access: Access, user: boolean): number {
    const found = this.bus.translate(linear, access, user);
    if (found < 0) {
      this.pageFault(linear, -1 - found);
      return 0;
    }
    const page = found - (found % PAGE_BYTES);
    if (page + PAGE_BYTES > this.#ramBytes) throw new Error(`translation beyond machine memory: ${page}`);
    const host = this.#ramBase + page;
    if (access === Access.Execute) this.tlb.fillCode(linear, user, host);
    else this.tlb.fill(linear, user, host, this.#mayWrite(linear, host, access, found));
    return host;
  }

  /**
   * Whether a write entry may go in. A page that holds compiled code gets none: each store to it comes here, and code
   * that it hits is dropped; what is left of the store then goes to S.direct.
   */
  #mayWrite(linear: number, host: number, access: Access, found: number): boolean {
    if (access !== Access.Write) return (found & PAGE_WRITABLE) !== 0 && !this.isCode(host);
    this.setWord(S.direct, host);
    return !this.storeToCode(host, linear % PAGE_BYTES);
  }

  /** Fills the TLB for a data access at the current privilege. @returns 0, or 1 with a fault pending */
  protected miss(linear: number, write: boolean): number {
    return this.#translate(linear >>> 0, write ? Access.Write : Access.Read, this.cpl === 3) === 0 ? 1 : 0;
  }

  /** Alignment check and data breakpoints of one access. @returns 0, or 1 with a fault pending */
  protected watch(linear: number, bytes: number, write: boolean): number {
    const mode = this.word(S.mode);
    if (mode & MODE_ALIGN && linear & (bytes - 1)) {
      this.fault(Vector.AC, 0);
      return 1;
    }
    if (mode & MODE_BREAKPOINTS) this.debug.recordAccess(linear, bytes, write);
    return 0;
  }

  /** Host address of at least FETCH_BYTES instruction bytes at `linear`, or 0 with a page fault pending. */
  protected fetch(address: number): number {
    const linear = address >>> 0;
    const first = this.#codePage(linear);
    if (first === 0) return 0;
    const offset = linear % PAGE_BYTES;
    const here = PAGE_BYTES - offset;
    this.setWord(S.avail, FETCH_BYTES);
    if (here >= FETCH_BYTES) return first + offset;
    this.#bytes.copyWithin(S.fetch, first + offset, first + PAGE_BYTES);
    const second = this.#codePage((linear + here) >>> 0);
    if (second === 0) this.setWord(S.avail, here);
    else this.#bytes.copyWithin(S.fetch + here, second, second + FETCH_BYTES - here);
    return S.fetch;
  }

  /** Host address of the code page of `linear` for execution now, or 0 when that would fault or change page tables. */
  protected probeCode(linear: number, user: boolean): number {
    const known = this.tlb.lookupCode(linear, user);
    if (known !== 0) return known;
    const found = this.bus.translate(linear, Access.Probe, user);
    if (found < 0) return 0;
    const host = this.#ramBase + found - (found % PAGE_BYTES);
    this.tlb.fillCode(linear, user, host);
    return host;
  }

  /** Instruction bytes at `linear` that can be executed now, at most 16; null without any. */
  protected peekCode(linear: number): Uint8Array | null {
    const user = this.cpl === 3;
    const offset = linear % PAGE_BYTES;
    const first = this.probeCode(linear, user);
    if (first === 0) return null;
    const here = this.#bytes.subarray(first + offset, first + Math.min(PAGE_BYTES, offset + FETCH_BYTES));
    const second = here.length < FETCH_BYTES ? this.probeCode((linear + here.length) >>> 0, user) : 0;
    if (second === 0) return here;
    const both = new Uint8Array(FETCH_BYTES);
    both.set(here);
    both.set(this.#bytes.subarray(second, second + FETCH_BYTES - here.length), here.length);
    return both;
  }

  /** The aligned word at `linear` if the TLB knows its page, else -1. Changes nothing. */
  protected peekWord(linear: number): number {
    const delta = this.tlb.lookup(linear, this.cpl === 3, false);
    if ((delta & 1) !== 0 || linear % 4 !== 0) return -1;
    return this.#view.getUint32((linear + delta) >>> 0, true);
  }

  /** Byte offset of the page that holds a machine address. */
  protected hostPageOf(maddr: number): number {
    return this.#ramBase + maddr - (maddr % PAGE_BYTES);
  }

  #codePage(linear: number): number {
    const user = this.cpl === 3;
    return this.tlb.lookupCode(linear, user) || this.#translate(linear, Access.Execute, user);
  }

  #hostPage(linear: number, user: boolean, write: boolean): number {
    const delta = this.tlb.lookup(linear, user, write);
    if ((delta & 1) === 0) return (linear + delta) >>> 0;
    const page = this.#translate(linear, write ? Access.Write : Access.Read, user);
    return page === 0 ? 0 : page + (linear % PAGE_BYTES);
  }

  /**
   * Machine address of a byte by its linear address, through the TLB. Who writes there says so with `memoryChanged`.
   * @returns -1 with a page fault pending
   */
  machineAddress(address: number, write: boolean, user: boolean): number {
    const host = this.#hostPage(address >>> 0, user, write);
    return host === 0 ? -1 : host - this.#ramBase;
  }

  /** Reads 1, 2 or 4 bytes at a linear address. @returns the value, or -1 with a page fault pending */
  readLinear(address: number, sizeBytes: 1 | 2 | 4, user: boolean): number {
    const linear = address >>> 0;
    if ((linear % PAGE_BYTES) + sizeBytes > PAGE_BYTES) return this.#readSplit(linear, sizeBytes, user);
    const host = this.#hostPage(linear, user, false);
    if (host === 0) return -1;
    if (sizeBytes === 1) return this.#view.getUint8(host);
    return sizeBytes === 2 ? this.#view.getUint16(host, true) : this.#view.getUint32(host, true);
  }

  #readSplit(linear: number, sizeBytes: number, user: boolean): number {
    let value = 0;
    for (let i = 0; i < sizeBytes; i++) {
      const byte = this.readLinear(linear + i, 1, user);
      if (byte < 0) return -1;
      value += byte * 2 ** (8 * i);
    }
    return value;
  }

  /** Whether `sizeBytes` bytes could be written now; false with a page fault pending. */
  probeWrite(address: number, sizeBytes: number, user: boolean): boolean {
    const linear = address >>> 0;
    const last = (address + sizeBytes - 1) >>> 0;
    if (this.#hostPage(linear, user, true) === 0) return false;
    return last >>> 12 === linear >>> 12 || this.#hostPage(last - (last % PAGE_BYTES), user, true) !== 0;
  }

  /** Writes 1, 2 or 4 bytes at a linear address. @returns false with a page fault pending, nothing written */
  writeLinear(address: number, sizeBytes: 1 | 2 | 4, value: number, user: boolean): boolean {
    const linear = address >>> 0;
    if ((linear % PAGE_BYTES) + sizeBytes <= PAGE_BYTES) {
      const host = this.#hostPage(linear, user, true);
      if (host === 0) return false;
      if (sizeBytes === 4) this.#view.setUint32(host, value, true);
      else if (sizeBytes === 2) this.#view.setUint16(host, value, true);
      else this.#bytes[host] = value;
      return true;
    }
    if (!this.probeWrite(linear, sizeBytes, user)) return false;
    for (let i = 0; i < sizeBytes; i++) {
      const host = this.#hostPage((linear + i) >>> 0, user, true);
      this.#bytes[host] = (value >>> (8 * i)) & 0xff;
    }
    return true;
  }
}
