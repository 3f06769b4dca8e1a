import { defineFlagFunctions } from '../jit/flag-kinds.ts';
import type { Row } from '../row.ts';
import { I32 } from '../wasm/expr.ts';
import { ModuleBuilder } from '../wasm/module.ts';
import { StepEmitter } from './decode-step.ts';
import { defineAbsentRegion, defineCallRegion, defineDispatcher } from './dispatcher.ts';
import { defineEffectiveAddress } from './effective-address.ts';
import { FastLoopEmitter } from './fast-loop.ts';
import { defineEflags, defineSetEflags } from './flag-routines.ts';
import { GenericRows } from './generic-rows.ts';
import { defineResolvers } from './resolve.ts';
import type { Runtime } from './runtime.ts';
import { defineSegmentRoutines } from './segment-routines.ts';
import { SHARED_ROUTINES, SimdStub } from './simd-module.ts';
import { isX87Row } from './x87-loader.ts';
import { FloatRoutines } from './x87-routines.ts';

/** What the interpreter module imports from TypeScript. */
export interface InterpreterImports {
  miss(linear: number, write: number): number;
  watch(linear: number, sizeBytes: number, write: number): number;
  helper(id: number, a: number, b: number, c: number): number;
  fetch(linear: number): number;
  modeChanged(): void;
  /** Puts the SIMD rows into the table of rows. */
  loadSimd(): void;
  /** Puts the x87 rows into the table of rows. */
  loadX87(): void;
  /** (EIP, plain) -> 1 when compiled code for it is in the region hash now; or, if `plain`, a version of it without a stack window. */
  promote(eip: number, plain: number): number;
}

export interface InterpreterExports {
  /** Runs one instruction. @returns a status, see runtime.ts */
  step(): number;
  /**
   * Runs until the budget is used up, the mode is no longer plain (0), or something is pending (a status); through compiled
   * code where branches are counted.
   */
  fast(): number;
  callRegion(returnEip: number, depth: number, status: number): number;
  storeFlags(kind: number, a: number, b: number, r: number, over: number): void;
  settleFlags(): void;
  absent(depth: number): number;
  /** (ES or DS, selector) -> 1 when it has been loaded and is as flat as before, 0 when nothing has happened. */
  loadFlat(segment: number, selector: number): number;
  /** A function for each row and operand size: 32 bits at even places, 16 at odd ones. */
  readonly rows: WebAssembly.Table;
}

/**
 * Generates the interpreter module from the instruction table.
 * @param hotBranches a branch target reached more often than this is to be compiled; null: branches are not counted
 */
export function buildInterpreter(
  table: readonly Row[],
  idOf: (helper: string) => number,
  hotBranches: number | null,
): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  const miss = module.import('miss', [I32, I32], [I32]);
  const watch = module.import('watch', [I32, I32, I32], [I32]);
  const helper = module.import('helper', [I32, I32, I32, I32], [I32]);
  const fetch = module.import('fetch', [I32], [I32]);
  const modeChanged = module.import('modeChanged', [], []);
  const promote = module.import('promote', [I32, I32], [I32]);
  const loadSimd = module.import('loadSimd', [], []);
  const loadX87 = module.import('loadX87', [], []);
  module.importTable('regions');
  const eflags = defineEflags(module);
  const setEflags = defineSetEflags(module, eflags, modeChanged);
  const rt: Runtime = {
    miss,
    watch,
    helper,
    fetch,
    modeChanged,
    eflags,
    setEflags,
    simdFloat: () => {
      throw new Error('SIMD rows have a module of their own');
    },
    x87: new FloatRoutines(module),
    ...defineResolvers(module, miss, watch),
    segments: defineSegmentRoutines(module, { helper, eflags, setEflags, idOf }),
  };
  const rows = new GenericRows(module, rt, idOf);
  const stub = new SimdStub(module, loadSimd);
  const x87Stub = new SimdStub(module, loadX87);
  const functions = table.map((row) =>
    row.simd ? stub.functions : isX87Row(row) ? x87Stub.functions : rows.emit(row),
  );
  const rowTable = module.table(functions.flatMap((f) => [f.bits32, f.bits16]));
  module.exportTable('rows', rowTable);
  for (const name of Object.keys(SHARED_ROUTINES) as (keyof typeof SHARED_ROUTINES)[]) {
    module.exportFunction(name, rt[name]);
  }
  const step = new StepEmitter(module, rt, rowTable).emit();
  stub.emit(step);
  x87Stub.emit(step);
  const address = defineEffectiveAddress(module);
  const name = hotBranches === null ? 'fast' : 'profiled';
  const loop = new FastLoopEmitter(module, name, step, address, hotBranches).emit(table);
  if (hotBranches !== null) {
    const { settleFlags } = defineFlagFunctions(module);
    defineAbsentRegion(module);
    defineCallRegion(module, { step, profiled: loop, settleFlags, hotBranches });
    defineDispatcher(module, { step, profiled: loop, promote, settleFlags, hotBranches });
  }
  return module.bytes();
}
