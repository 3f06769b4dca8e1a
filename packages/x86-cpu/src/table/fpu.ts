import { FpuClass } from '../helpers/helper-cpu.ts';
import type { Row } from '../row.ts';
import { row } from '../row.ts';
import type { Sem } from './common.ts';
import { EIGHT } from './common.ts';

/** The helper raises #NM or #UD; only WAIT passes it. */
const fpu =
  (kind: number): Sem =>
  (o) =>
    o.helper('fpu', o.c(kind));

const x87 = fpu(FpuClass.X87);
const absent = { unrecorded: 'x87, MMX and SSE are not implemented' };

/** x87: decoded to its full length, none executed yet. */
export const FPU_ROWS: readonly Row[] = [
  ...EIGHT.map((i) => row(0xd8 + i, 'ESC M', absent, x87)),
  row(0x9b, 'WAIT', absent, fpu(FpuClass.Wait)),
  row(0x0fae, 'FXSAVE M', { ext: 0, mod: 'mem', ...absent }, x87),
  row(0x0fae, 'FXRSTOR M', { ext: 1, mod: 'mem', ...absent }, x87),
];
