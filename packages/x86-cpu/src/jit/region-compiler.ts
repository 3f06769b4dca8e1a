import type { InterpreterExports } from '../interp/build.ts';
import { S, X87_DOUBLE } from '../state.ts';
import { I32, V128 } from '../wasm/expr.ts';
import { ModuleBuilder } from '../wasm/module.ts';
import { hasExtent } from './extent.ts';
import { CompilableRows } from './insn-site.ts';
import { emitRegion, type RegionPlan, type RegionRuntime } from './region.ts';
import { usesSimd } from './region-facts.ts';

/** What compiled code calls, from the interpreter's instance. */
export interface RegionImports
  extends Pick<InterpreterExports, 'step' | 'callRegion' | 'storeFlags' | 'settleFlags' | 'loadFlat'> {
  /** The function for SSE arithmetic, which is not callable from TypeScript: it takes vectors. */
  readonly simdFloats: () => () => unknown;
}

/** Makes WebAssembly functions of regions. */
export class RegionCompiler {
  readonly #memory: WebAssembly.Memory;
  readonly #words: Int32Array;
  readonly #table: WebAssembly.Table;
  readonly #compilable: CompilableRows = new CompilableRows();

  /** @param table the table of regions */
  constructor(memory: WebAssembly.Memory, table: WebAssembly.Table) {
    this.#memory = memory;
    this.#words = new Int32Array(memory.buffer);
    this.#table = table;
  }

  /** Compiles regions, all of one privilege, into one module. @returns a function for each, and the module's length in bytes */
  compile(
    plans: readonly RegionPlan[],
    imports: RegionImports,
  ): { readonly functions: readonly unknown[]; readonly bytes: number } {
    const module = new ModuleBuilder();
    const simd = plans.some(({ shape }) => usesSimd(shape));
    const rt = this.#runtime(module, simd, plans[0]?.user ?? false);
    plans.forEach((plan, i) => {
      emitRegion(module, plan, rt, `r${i}`);
    });
    const bytes = module.bytes();
    const { step, callRegion, storeFlags, settleFlags, loadFlat } = imports;
    const own = { memory: this.#memory, regions: this.#table };
    const functions = { step, callRegion, storeFlags, settleFlags, loadFlat };
    const e = { ...own, ...functions, ...(simd ? { simdFloats: imports.simdFloats() } : {}) };
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { e });
    return { functions: plans.map((_, i) => exports[`r${i}`]), bytes: bytes.length };
  }

  #runtime(module: ModuleBuilder, simd: boolean, user: boolean): RegionRuntime {
    module.importTable('regions');
    return {
      compilable: this.#compilable,
      fcare: this.#words[S.fcare >> 2] === X87_DOUBLE ? X87_DOUBLE : 0,
      hasExtent: hasExtent(this.#words, user),
      regionType: module.type([I32], [I32]),
      step: module.import('step', [], [I32]),
      callRegion: module.import('callRegion', [I32, I32], [I32]),
      storeFlags: module.import('storeFlags', [I32, I32, I32, I32, I32], []),
      settleFlags: module.import('settleFlags', [], []),
      loadFlat: module.import('loadFlat', [I32, I32], [I32]),
      simdFloats: simd ? module.import('simdFloats', [I32, V128, V128, I32], [V128, I32]) : 0,
    };
  }
}
