import type { InterpreterExports } from '../interp/build.ts';
import { S, X87_DOUBLE } from '../state.ts';
import { I32, type TableFunction, V128, type ValType } from '../wasm/expr.ts';
import { ModuleBuilder } from '../wasm/module.ts';
import { hasExtent } from './extent.ts';
import { CompilableRows } from './insn-site.ts';
import { emitRegion } from './region.ts';
import { usesSimd } from './region-facts.ts';
import type { RegionPlan, RegionRuntime } from './region-plan.ts';
import type { RegionTables } from './region-tables.ts';

/** What compiled code calls, from the interpreter's instance. */
export interface RegionImports
  extends Pick<InterpreterExports, 'step' | 'callRegion' | 'storeFlags' | 'settleFlags' | 'loadFlat'> {
  /** The function for SSE arithmetic, which is not callable from TypeScript: it takes vectors. */
  readonly simdFloats: () => () => unknown;
}

/** What regions call besides each other, by its place in the tables that their modules import, from 1 on. */
export const CALLED_BY_REGIONS = [
  'step',
  'callRegion',
  'storeFlags',
  'settleFlags',
  'loadFlat',
  'simdFloats',
] as const;

/** Where such a function lies in the tables. */
const placeOf = (name: (typeof CALLED_BY_REGIONS)[number]): number => 1 + CALLED_BY_REGIONS.indexOf(name);

/** Makes WebAssembly functions of regions. */
export class RegionCompiler {
  readonly #memory: WebAssembly.Memory;
  readonly #words: Int32Array;
  readonly #tables: RegionTables;
  readonly #compilable: CompilableRows = new CompilableRows();

  constructor(memory: WebAssembly.Memory, tables: RegionTables) {
    this.#memory = memory;
    this.#words = new Int32Array(memory.buffer);
    this.#tables = tables;
  }

  /** Compiles regions, all of one privilege, into one module. @returns a function for each, and the module's length in bytes */
  compile(
    plans: readonly RegionPlan[],
    imports: RegionImports,
  ): { readonly functions: readonly unknown[]; readonly bytes: number } {
    const module = new ModuleBuilder();
    const simd = plans.some(({ shape }) => usesSimd(shape));
    const rt = this.#runtime(module, plans[0]?.user ?? false);
    plans.forEach((plan, i) => {
      emitRegion(module, plan, rt, `r${i}`);
    });
    const bytes = module.bytes();
    const regions = this.#tables.next(bytes.length);
    this.#fill(regions, imports, simd);
    const e = { memory: this.#memory, regions };
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { e });
    return { functions: plans.map((_, i) => exports[`r${i}`]), bytes: bytes.length };
  }

  /** Puts into a table what regions call; the function for SSE exists only from its first use on. */
  #fill(table: WebAssembly.Table, imports: RegionImports, simd: boolean): void {
    for (const name of CALLED_BY_REGIONS) {
      const at = placeOf(name);
      if (table.get(at) !== null || (name === 'simdFloats' && !simd)) continue;
      table.set(at, name === 'simdFloats' ? imports.simdFloats() : imports[name]);
    }
  }

  /** Function imports would cost a compiled wrapper each, in each module. */
  #runtime(module: ModuleBuilder, user: boolean): RegionRuntime {
    module.importTable('regions');
    const called = (
      name: (typeof CALLED_BY_REGIONS)[number],
      params: readonly ValType[],
      results: readonly ValType[],
    ): TableFunction => {
      return { type: module.type(params, results), at: placeOf(name) };
    };
    return {
      compilable: this.#compilable,
      fcare: this.#words[S.fcare >> 2] === X87_DOUBLE ? X87_DOUBLE : 0,
      hasExtent: hasExtent(this.#words, user),
      regionType: module.type([I32], [I32]),
      step: called('step', [], [I32]),
      callRegion: called('callRegion', [I32, I32, I32], [I32]),
      storeFlags: called('storeFlags', [I32, I32, I32, I32, I32], []),
      settleFlags: called('settleFlags', [], []),
      loadFlat: called('loadFlat', [I32, I32], [I32]),
      simdFloats: called('simdFloats', [I32, V128, V128, I32], [V128, I32]),
    };
  }
}
