import type { CpuBus } from './bus.ts';
import { CpuCore } from './cpu-core.ts';
import { decode, type Insn, isDecodeError } from './decode/index.ts';
import { HELPERS } from './helpers/index.ts';
import { loadSegment } from './helpers/segment-load.ts';
import { buildInterpreter, type InterpreterExports, type InterpreterImports } from './interp/build.ts';
import { writeDecodeTables } from './interp/decode-table.ts';
import { STATUS_FAULT, STATUS_TRAP } from './interp/runtime.ts';
import { SimdLoader } from './interp/simd-loader.ts';
import { x87Loader } from './interp/x87-loader.ts';
import { CodeCache } from './jit/code-cache.ts';
import { IndirectTargets } from './jit/indirect-targets.ts';
import type { RegionImports } from './jit/region-compiler.ts';
import { Exit, Seg, Vector } from './names.ts';
import { RF, type Row, TF } from './row.ts';
import { HOT_BRANCHES, MODE_SHADOW, S, TLB_BASE } from './state.ts';
import { ROWS } from './table/index.ts';

/** What a CPU is made of. */
export interface CpuOptions {
  /** Machine memory; its first CPU_RESERVED_BYTES belong to the CPU. */
  readonly memory: WebAssembly.Memory;
  /** Byte offset of machine address 0; a multiple of 4096, at least CPU_RESERVED_BYTES. */
  readonly ramBase: number;
  /** Bytes of machine memory that translations may name. */
  readonly ramBytes: number;
  readonly bus: CpuBus;
  /** `jit` compiles hot code to WebAssembly; nothing else differs. */
  readonly engine?: 'interpreter' | 'jit';
  /** A branch target reached more often than this is compiled at once; below 65535. When absent the CPU decides. */
  readonly hotBranches?: number;
  /** With `hotBranches`: such a target waits for others, until it has been reached so many times more. */
  readonly waitBranches?: number;
  /** Regions of compiled code that can exist at a time, at most 4096. */
  readonly maxRegions?: number;
}

/**
 * Regions of compiled code that can exist at a time. PostgreSQL uses 3500 when it may, and is no slower with half of them, while each
 * module has a table of them all.
 */
const MAX_REGIONS = 1792;
/** Instructions that are looked at for rows to be made together. */
const INSNS_AHEAD = 48;

/** What the counter of a hot branch target is set to while it waits for others; null: it does not wait. */
function countWhileWaiting({ hotBranches, waitBranches }: CpuOptions): number | null {
  if (hotBranches === undefined) return HOT_BRANCHES >> 1;
  return waitBranches === undefined ? null : hotBranches - waitBranches;
}

/** An i386 CPU without ring 0: every exception, INT n and privileged operation leaves `run`. */
export class Cpu extends CpuCore {
  readonly #interpreter: InterpreterExports;
  readonly #simd: SimdLoader;
  readonly #regionImports: RegionImports;
  #code: CodeCache | null = null;
  #targets: IndirectTargets | null = null;
  /** Instructions retired before the run in progress. */
  #retiredBefore = 0;
  #slice = 0;
  /** Runs every instruction by the general path; for tests that compare it with the fast loop. */
  forceGeneric = false;

  constructor(options: CpuOptions) {
    super(options);
    const names = Object.keys(HELPERS);
    const table = Object.values(HELPERS);
    writeDecodeTables(new Uint32Array(options.memory.buffer, 0, TLB_BASE >> 2), ROWS);
    const idOf = (name: string): number => {
      const id = names.indexOf(name);
      if (id < 0) throw new Error(`no helper ${name}`);
      return id;
    };
    const hotBranches = options.engine === 'jit' ? (options.hotBranches ?? HOT_BRANCHES) : null;
    const bytes = buildInterpreter(ROWS, idOf, hotBranches);
    const helper = (id: number, a: number, b: number, c: number): number =>
      table[id]?.(this, a, b, c) ?? STATUS_FAULT;
    this.#simd = new SimdLoader({ memory: options.memory, idOf, helper });
    const x87 = x87Loader({ memory: options.memory, idOf, helper });
    const imports = {
      memory: options.memory,
      miss: (linear: number, write: number): number => this.miss(linear, write !== 0),
      watch: (linear: number, size: number, write: number): number => this.watch(linear, size, write !== 0),
      helper,
      fetch: (linear: number): number => this.fetch(linear),
      modeChanged: (): void => this.refreshMode(),
      loadSimd: (): void => this.#simd.load(this.#interpreter, this.#rowsAhead()),
      loadX87: (): void => x87.load(this.#interpreter, this.#rowsAhead()),
      promote: (eip: number, plain: number): number => (this.#promote(eip >>> 0, plain !== 0) ? 1 : 0),
      regions: new WebAssembly.Table({ initial: options.maxRegions ?? MAX_REGIONS, element: 'anyfunc' }),
    } satisfies InterpreterImports & { memory: WebAssembly.Memory; regions: WebAssembly.Table };
    const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), { e: imports });
    this.#interpreter = instance.exports as unknown as InterpreterExports;
    const { step, callRegion, storeFlags, settleFlags, loadFlat } = this.#interpreter;
    this.#regionImports = {
      step,
      callRegion,
      storeFlags,
      settleFlags,
      loadFlat,
      simdFloats: () => this.#simd.simdFloats,
    };
    if (options.engine !== 'jit') return;
    imports.regions.set(0, this.#interpreter.absent);
    const view = {
      bytes: (linear: number): Uint8Array | null => this.peekCode(linear),
      targets: (eip: number, insn: Insn): readonly number[] => this.#targets?.find(eip, insn) ?? [],
      page: (linear: number, user: boolean): number => this.probeCode(linear, user),
      compiled: (eip: number, user: boolean): boolean => this.#code?.compiled(eip, user) ?? false,
      leadsAway: (eip: number, user: boolean, entry: number): boolean =>
        this.#code?.leadsAway(eip, user, entry) ?? false,
      reached: (eip: number): boolean => this.#code?.reached(eip) ?? false,
    };
    this.#targets = new IndirectTargets(options.memory, (linear) => this.peekWord(linear));
    const waiting = countWhileWaiting(options);
    this.#code = new CodeCache({
      memory: options.memory,
      table: imports.regions,
      tlb: this.tlb,
      view,
      waiting,
      retired: () => this.retired,
    });
  }

  /** Rows of the instructions from EIP on, whichever way branches go; none when the first cannot be told. */
  #rowsAhead(): Row[] {
    const rows: Row[] = [];
    let linear = (this.seg.base(Seg.CS) + this.eip) >>> 0;
    while (rows.length < INSNS_AHEAD) {
      const bytes = this.peekCode(linear);
      const insn = bytes && decode(bytes);
      if (!insn || isDecodeError(insn)) break;
      rows.push(insn.row);
      linear = (linear + insn.length) >>> 0;
    }
    return rows;
  }

  #promote(eip: number, isPlain: boolean): boolean {
    const user = this.cpl === 3;
    if (isPlain) return this.#code?.promotePlain(eip, user, this.#regionImports) ?? false;
    return this.#code?.promote(eip, user, this.#regionImports) ?? false;
  }
  protected override isCode(host: number): boolean {
    return this.#code?.isCode(host) ?? false;
  }
  protected override storeToCode(host: number, offset: number): boolean {
    return this.#code?.store(host, offset) ?? false;
  }
  override flushTlb(): void {
    super.flushTlb();
    this.#code?.unmapAll();
  }
  override invlpg(linear: number): void {
    super.invlpg(linear);
    this.#code?.unmapPage(linear);
  }
  /**
   * Machine memory changes from outside the CPU (a device, another domain's grant, the monitor): code compiled from those
   * bytes is dropped. Call it before the CPU runs again.
   * @param maddr machine address of the first byte; the range lies within one page
   */
  memoryChanged(maddr: number, bytes: number): void {
    this.#code?.changed(this.hostPageOf(maddr), maddr % 4096, bytes);
  }
  /** Forgets all compiled code, and which pages were not worth compiling. */
  dropCompiledCode(): void {
    this.#code?.clear();
  }
  /** Counters of the compiler; null without one. */
  get codeMetrics(): CodeCache['metrics'] | null {
    return this.#code?.metrics ?? null;
  }

  /** Instructions retired since the CPU was made; exact also while `run` is in progress. */
  get retired(): number {
    return this.#retiredBefore + this.#slice - this.word(S.budget);
  }

  /**
   * Runs until `budget` instructions have retired or something must be handled outside.
   * @param budget instructions, 0 to 2^31 - 1; each iteration of a repeated string instruction counts as one
   * @returns the reason; details in `exit`
   */
  run(budget: number): Exit {
    this.exit.dr6 = 0;
    this.#slice = budget;
    this.setWord(S.budget, budget);
    let status = 0;
    while (status === 0 && this.word(S.budget) > 0) {
      if (this.word(S.mode) !== 0) status = this.#careful();
      else status = this.forceGeneric ? this.#interpreter.step() : this.#interpreter.fast();
    }
    this.#retiredBefore = this.retired;
    this.#slice = 0;
    this.setWord(S.budget, 0);
    return this.#leave(status);
  }

  /**
   * Loads a segment register with every check of the architecture, at the current privilege level.
   * @returns false with the exception in `exit`, nothing changed
   */
  loadSegment(i: number, selector: number): boolean {
    if (loadSegment(this, i, selector, 0) === 0) return true;
    this.#describe();
    return false;
  }

  #describe(): void {
    this.exit.vector = this.word(S.vector);
    this.exit.errorCode = this.word(S.errorCode);
    this.exit.length = this.word(S.exitLength);
  }

  #leave(status: number): Exit {
    if (status === 0) return Exit.Budget;
    this.#describe();
    if (status === STATUS_TRAP || status === STATUS_FAULT) {
      if (this.exit.vector === Vector.PF) this.cr2 = this.exit.cr2;
      return Exit.Fault;
    }
    return (status - 1) as Exit;
  }

  /** One instruction with breakpoints, single step, RF and the shadow of MOV SS observed. */
  #careful(): number {
    const flags = this.word(S.sysFlags);
    const shadowed = (this.word(S.mode) & MODE_SHADOW) !== 0;
    const hits = shadowed ? 0 : this.debug.instructionHits(this.seg.base(Seg.CS) + this.eip);
    if (hits !== 0) return this.#debugFault(hits, STATUS_FAULT);
    this.setWord(S.mode, this.word(S.mode) & ~MODE_SHADOW);
    const status = this.#single();
    if (status !== 0) {
      // Hits that MOV SS held back, or of an instruction that did not retire, are lost with the entry (XSA-260).
      this.debug.takeHits(false);
      return status;
    }
    if (flags & RF) {
      this.setWord(S.sysFlags, this.word(S.sysFlags) & ~RF);
      this.refreshMode();
    }
    const due = this.debug.takeHits((flags & TF) !== 0);
    return due === 0 ? 0 : this.#debugFault(due, STATUS_TRAP);
  }

  /** One instruction, and of a repeated string instruction one iteration. */
  #single(): number {
    const rest = this.word(S.budget) - 1;
    this.#slice -= rest;
    this.setWord(S.budget, 1);
    const status = this.#interpreter.step();
    this.#slice += rest;
    this.setWord(S.budget, this.word(S.budget) + rest);
    return status;
  }

  #debugFault(hits: number, status: number): number {
    this.exit.dr6 = hits;
    this.setWord(S.vector, Vector.DB);
    this.setWord(S.errorCode, -1);
    return status;
  }
}
