import type { Callee } from '../wasm/expr.ts';
import type { Label } from '../wasm/function.ts';
import type { RegionShape } from './block.ts';
import type { FlagFunctions } from './flag-kinds.ts';
import type { CompilableRows } from './insn-site.ts';

/** Functions that compiled code calls, and types of such. */
export interface RegionRuntime extends FlagFunctions {
  readonly step: Callee;
  /** (ES or DS, selector) -> 1, or 0 when the general interpreter is to load it. */
  readonly loadFlat: Callee;
  readonly simdFloats: Callee;
  /** (return EIP, depth, status of the callee) -> status: goes on from EIP until it comes back there (0), if it can. */
  readonly callRegion: Callee;
  /** Type of a region: (depth of calls) -> status. */
  readonly regionType: number;
  readonly compilable: CompilableRows;
  /** Value of fcare that x87 code is made for. */
  readonly fcare: number;
  /** Whether much of memory lies in an extent now. */
  readonly hasExtent: boolean;
}

/** Where the blocks of a region leave it. */
export interface Exits {
  readonly leave: Label;
}

/** One region to be compiled. */
export interface RegionPlan {
  readonly shape: RegionShape;
  readonly user: boolean;
  /** Its index in the table of regions. */
  readonly slot: number;
  /** It must not rely on a stack window, because that failed. */
  readonly isPlain: boolean;
}
