import { Vector } from '../names.ts';
import type { Row } from '../row.ts';
import { DF, IF, row } from '../row.ts';
import type { Sem } from './common.ts';

const setCarry =
  (cf: 0 | 1): Sem =>
  (o) =>
    o.setFlags({ cf: o.c(cf) });
const complementCarry: Sem = (o) => o.setFlags({ cf: o.eqz(o.flag('cf')) });
const setDirection =
  (value: number): Sem =>
  (o) =>
    o.setEflags(o.c(DF), o.c(value));

/** CLI and STI: IOPL decides. */
const setInterrupt =
  (value: number): Sem =>
  (o) => {
    o.faultIf(o.ltU(o.iopl(), o.cpl()), Vector.GP, o.c(0));
    o.setEflags(o.c(IF), o.c(value));
  };

/** Single flags. */
export const FLAG_ROWS: readonly Row[] = [
  row(0xf5, 'CMC', {}, complementCarry),
  row(0xf8, 'CLC', {}, setCarry(0)),
  row(0xf9, 'STC', {}, setCarry(1)),
  row(0xfa, 'CLI', {}, setInterrupt(0)),
  row(0xfb, 'STI', {}, setInterrupt(IF)),
  row(0xfc, 'CLD', {}, setDirection(0)),
  row(0xfd, 'STD', {}, setDirection(DF)),
];
