import type { Operand, Ops, Val } from '../ops.ts';
import type { Row } from '../row.ts';
import { AF, OF, OSZAPC, PF, row, SF, ZF } from '../row.ts';
import type { Sem } from './common.ts';
import { bytes, CONDITIONS } from './common.ts';

/** New value of the operand from its old value and the mask of the selected bit; null: BT only reads. */
type Change = ((o: Ops, v: Val, mask: Val) => Val) | null;

interface BitOp {
  readonly name: string;
  readonly change: Change;
  /** Opcode of the form with a register index, and ModRM.reg of the form with an immediate one. */
  readonly opcode: number;
  readonly ext: number;
}
const bitOps: readonly BitOp[] = [
  { name: 'BT', change: null, opcode: 0x0fa3, ext: 4 },
  { name: 'BTS', change: (o, v, m) => o.or(v, m), opcode: 0x0fab, ext: 5 },
  { name: 'BTR', change: (o, v, m) => o.and(v, o.not(m)), opcode: 0x0fb3, ext: 6 },
  { name: 'BTC', change: (o, v, m) => o.xor(v, m), opcode: 0x0fbb, ext: 7 },
];

/** The index is taken modulo the operand size. */
function apply(o: Ops, change: Change, dst: Operand, index: Operand): void {
  const n = o.let(o.and(index.get(), o.c(o.size - 1)));
  const v = o.let(dst.get());
  if (change) dst.set(change(o, v, o.shl(o.c(1), n)));
  o.setFlags({ cf: o.and(o.shr(v, n), o.c(1)) });
}

const within =
  (change: Change): Sem =>
  (o, dst, index) =>
    apply(o, change, dst, index);

/** A register index reaches beyond the operand: the access moves by whole operands, the signed index divided by the size. */
const beyond =
  (change: Change): Sem =>
  (o, memory, index) => {
    const words = o.sar(index.sget(), o.c(o.size === 32 ? 5 : 4));
    const disp = o.mul(words, o.c(bytes(o)));
    apply(o, change, memory.at(o.size, disp, change ? 'rw' : 'r'), index);
  };

const undef = OF | SF | AF | PF;
const bitRows = ({ name, change, opcode, ext }: BitOp): Row[] => {
  const mark = change ? '+' : '';
  const lockable = change !== null;
  return [
    row(opcode, `${name} ${mark}Ev,Gv`, { mod: 'reg', undef }, within(change)),
    row(opcode, `${name} M,Gv`, { mod: 'mem', lockable, undef }, beyond(change)),
    row(0x0fba, `${name} ${mark}Ev,Ib`, { ext, lockable, undef }, within(change)),
  ];
};

/** A zero source leaves the destination as it was; manuals call it undefined, processors and their users rely on it. */
const scan =
  (index: (o: Ops, v: Val) => Val): Sem =>
  (o, dst, src) => {
    const v = o.let(src.get());
    const zero = o.let(o.eqz(v));
    dst.set(o.select(zero, dst.get(), index(o, v)));
    o.setFlags({ zf: zero });
  };
const bsf = scan((o, v) => o.ctz(v));
const bsr = scan((o, v) => o.sub(o.c(31), o.clz(v)));

const setcc =
  (cc: number): Sem =>
  (o, dst) =>
    dst.set(o.cond(cc));

/** Conditions that compiled code stores most. */
const hotConditions: readonly string[] = ['B', 'E', 'NE', 'A', 'L', 'G'];

/** BT BTS BTR BTC, BSF BSR, SETcc. */
export const BIT_ROWS: readonly Row[] = [
  ...bitOps.flatMap(bitRows),
  row(0x0fbc, 'BSF +Gv,Ev', { undef: OSZAPC & ~ZF }, bsf),
  row(0x0fbd, 'BSR +Gv,Ev', { undef: OSZAPC & ~ZF }, bsr),
  ...CONDITIONS.map((cc, i) =>
    row(0x0f90 + i, `SET${cc} =Eb`, { hot: hotConditions.includes(cc) }, setcc(i)),
  ),
];
