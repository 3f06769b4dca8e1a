import { ROWS } from '../table/index.ts';
import type { Decoder } from './decode.ts';
import { createDecoder } from './decode.ts';

export type { DecodeOptions, Decoder } from './decode.ts';
export { isDecodeError } from './decode.ts';
export type { DecodeError, DecodeErrorKind, Insn, MemoryReference } from './insn.ts';

/** The decoder of the instruction table. */
export const decode: Decoder = createDecoder(ROWS);
