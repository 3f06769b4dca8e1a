import { generate, type SimdInstance } from './generate.ts';
import type { SimdInput } from './state.ts';

const ENCODINGS = 3;
const VECTORS = 12;

/** The vectors of an instance that are kept with their outputs. */
export function recordedInputs(instance: SimdInstance): SimdInput[] {
  return [...generate(instance, ENCODINGS, VECTORS)];
}
