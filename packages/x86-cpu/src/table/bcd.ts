import { Reg, Vector } from '../names.ts';
import type { Ops, Val } from '../ops.ts';
import type { Row } from '../row.ts';
import { AF, CF, OF, PF, row, SF, ZF } from '../row.ts';
import type { Sem } from './common.ts';

const AH = 4;

/** The low digit of AL exceeds 9, or AF says that it had. */
const lowDigitOff = (o: Ops, al: Val): Val => o.or(o.ltU(o.c(9), o.and(al, o.c(15))), o.flag('af'));

/** AAA and AAS: one unpacked digit in AL, corrected by `step` to AX; then AL keeps its low digit. */
const asciiAdjust =
  (step: (o: Ops, ax: Val) => Val): Sem =>
  (o) => {
    const ax = o.let(o.reg(16, Reg.EAX).get());
    const off = o.let(lowDigitOff(o, ax));
    const r = o.let(o.and(o.select(off, step(o, ax), ax), o.c(0xff0f)));
    o.reg(16, Reg.EAX).set(r);
    o.flagsResult(8, r, { cf: off, af: off });
  };
const aaa = asciiAdjust((o, ax) => o.add(ax, o.c(0x106)));
const aas = asciiAdjust((o, ax) => o.sub(ax, o.c(0x106)));

const aam: Sem = (o, base) => {
  const divisor = o.let(base.get());
  o.faultIf(o.eqz(divisor), Vector.DE);
  const al = o.let(o.reg(8, Reg.EAX).get());
  const low = o.let(o.remU(al, divisor));
  o.reg(8, AH).set(o.divU(al, divisor));
  o.reg(8, Reg.EAX).set(low);
  o.flagsResult(8, low, {});
};

const aad: Sem = (o, base) => {
  const tens = o.mul(o.reg(8, AH).get(), base.get());
  const r = o.let(o.and(o.add(o.reg(8, Reg.EAX).get(), tens), o.c(0xff)));
  o.reg(16, Reg.EAX).set(r);
  o.flagsResult(8, r, {});
};

/** DAA and DAS: two packed digits in AL. `borrow` is CF when only the low digit was corrected. */
const decimalAdjust =
  (op: 'add' | 'sub', borrow: (o: Ops, al: Val) => Val): Sem =>
  (o) => {
    const al = o.let(o.reg(8, Reg.EAX).get());
    const low = o.let(lowDigitOff(o, al));
    const high = o.let(o.or(o.ltU(o.c(0x99), al), o.flag('cf')));
    const correction = o.or(o.mul(low, o.c(6)), o.mul(high, o.c(0x60)));
    const r = o.let(o[op](al, correction));
    const cf = o.let(o.or(high, o.and(low, borrow(o, al))));
    o.reg(8, Reg.EAX).set(r);
    o.flagsResult(8, r, { cf, af: low });
  };
const daa = decimalAdjust('add', (o) => o.c(0));
const das = decimalAdjust('sub', (o, al) => o.ltU(al, o.c(6)));

/** Decimal adjustments. */
export const BCD_ROWS: readonly Row[] = [
  row(0x27, 'DAA', { undef: OF }, daa),
  row(0x2f, 'DAS', { undef: OF }, das),
  row(0x37, 'AAA', { undef: OF | SF | ZF | PF }, aaa),
  row(0x3f, 'AAS', { undef: OF | SF | ZF | PF }, aas),
  row(0xd4, 'AAM Ib', { undef: OF | AF | CF }, aam),
  row(0xd5, 'AAD Ib', { undef: OF | AF | CF }, aad),
];
