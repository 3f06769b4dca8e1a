import { FLOAT_OPS } from '../simd/float-ops.ts';
import { callIndirect, I32, i32, V128 } from '../wasm/expr.ts';
import { ModuleBuilder } from '../wasm/module.ts';
import { FloatFunctions } from './simd-float.ts';

/** What the module of `buildFloatDispatch` exports. */
export interface FloatDispatch {
  /** (operation, a, b, imm) -> (result, status): floating point of SSE for compiled code; takes vectors. */
  simdFloats(): unknown;
  /** Functions by number of the operation. */
  readonly operations: WebAssembly.Table;
}

const PARAMETERS = [V128, V128, I32] as const;
const RESULTS = [V128, I32] as const;

/** Generates the module through which compiled code calls operations. Each is made, by `load`, when it is called first. */
export function buildFloatDispatch(): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  const load = module.import('load', [I32], []);
  const type = module.type(PARAMETERS, RESULTS);
  const stubs = FLOAT_OPS.map((_, n) => {
    const fn = module.function(PARAMETERS, RESULTS);
    fn.invoke(load, [i32(n)]);
    fn.ret(callIndirect(type, i32(n), [fn.get(0, V128), fn.get(1, V128), fn.get(2)]));
    fn.unreachable();
    return fn.index;
  });
  const fn = module.function([I32, ...PARAMETERS], RESULTS, 'simdFloats');
  fn.ret(callIndirect(type, fn.get(0), [fn.get(1, V128), fn.get(2, V128), fn.get(3)]));
  fn.unreachable();
  module.exportTable('operations', module.table(stubs));
  return module.bytes();
}

/** Generates a module with one operation, exported as `run`. */
export function buildFloatOperation(op: string): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  const floats = new FloatFunctions(module, module.import('simdFloat', [I32, I32], [I32]));
  module.exportFunction('run', floats.index(op));
  return module.bytes();
}
