import { Seg, Vector } from '../names.ts';
import type { Ops, Size, Val } from '../ops.ts';
import type { Row } from '../row.ts';

export type Sem = Row['sem'];

/** Condition codes in encoding order, as Jcc, SETcc and CMOVcc spell them. */
export const CONDITIONS = [
  'O',
  'NO',
  'B',
  'AE',
  'E',
  'NE',
  'BE',
  'A',
  'S',
  'NS',
  'P',
  'NP',
  'L',
  'GE',
  'LE',
  'G',
] as const;

export const SEGMENTS = ['ES', 'CS', 'SS', 'DS', 'FS', 'GS'] as const;

/** Register numbers of the opcode's low three bits. */
export const EIGHT = [0, 1, 2, 3, 4, 5, 6, 7] as const;

/** Bytes of a `v`-sized operand. */
export const bytes = (o: Ops): number => o.size / 8;

/** Bit `n` of `v`, 0 or 1. */
export const bit = (o: Ops, v: Val, n: number): Val =>
  n === 31 ? o.shr(v, o.c(31)) : o.and(o.shr(v, o.c(n)), o.c(1));

/** Sign bit of a `size`-bit value, 0 or 1. */
export const msb = (o: Ops, size: Size, v: Val): Val => bit(o, v, size - 1);

/** Loads a segment register (MOV, POP); after a load of SS the next instruction runs before any trap. */
export function loadSegment(o: Ops, i: number, selector: Val): void {
  o.helper('loadSegment', o.c(i), selector);
  if (i === Seg.SS) o.helper('deferTraps');
}

/** #UD for an encoding that the manual reserves. */
export const undefinedOpcode: Sem = (o) => o.fault(Vector.UD);
