import type { Ops } from '../ops.ts';
import type { AnyOperand, Row } from '../row.ts';
import { AF, row } from '../row.ts';

type Binary = (o: Ops, dst: AnyOperand, src: AnyOperand) => void;

const add: Binary = (o, dst, src) => {
  const a = o.let(dst.get());
  const b = o.let(src.get());
  const r = o.let(o.add(a, b));
  dst.set(r);
  o.flagsAdd(dst.size, a, b, r);
};
const adc: Binary = (o, dst, src) => {
  const a = o.let(dst.get());
  const b = o.let(src.get());
  const r = o.let(o.add(o.add(a, b), o.flag('cf')));
  dst.set(r);
  o.flagsAdc(dst.size, a, b, r);
};
const sub: Binary = (o, dst, src) => {
  const a = o.let(dst.get());
  const b = o.let(src.get());
  const r = o.let(o.sub(a, b));
  dst.set(r);
  o.flagsSub(dst.size, a, b, r);
};
const sbb: Binary = (o, dst, src) => {
  const a = o.let(dst.get());
  const b = o.let(src.get());
  const r = o.let(o.sub(o.sub(a, b), o.flag('cf')));
  dst.set(r);
  o.flagsSbb(dst.size, a, b, r);
};
const cmp: Binary = (o, dst, src) => {
  const a = o.let(dst.get());
  const b = o.let(src.get());
  o.flagsSub(dst.size, a, b, o.let(o.sub(a, b)));
};
const logic =
  (op: 'and' | 'or' | 'xor'): Binary =>
  (o, dst, src) => {
    const r = o.let(o[op](dst.get(), src.get()));
    dst.set(r);
    o.flagsLogic(dst.size, r);
  };
const test: Binary = (o, dst, src) => o.flagsLogic(dst.size, o.let(o.and(dst.get(), src.get())));

interface AluOp {
  readonly name: string;
  readonly sem: Binary;
  readonly undef: number;
}
const alu: readonly AluOp[] = [
  { name: 'ADD', sem: add, undef: 0 },
  { name: 'OR', sem: logic('or'), undef: AF },
  { name: 'ADC', sem: adc, undef: 0 },
  { name: 'SBB', sem: sbb, undef: 0 },
  { name: 'AND', sem: logic('and'), undef: AF },
  { name: 'SUB', sem: sub, undef: 0 },
  { name: 'XOR', sem: logic('xor'), undef: AF },
  { name: 'CMP', sem: cmp, undef: 0 },
];

function aluRows({ name, sem, undef }: AluOp, i: number): Row[] {
  const base = i * 8;
  const compare = name === 'CMP';
  const d = compare ? '' : '+';
  const options = { hot: true, undef };
  const locked = { ...options, lockable: !compare };
  return [
    row(base, `${name} ${d}Eb,Gb`, locked, sem),
    row(base + 1, `${name} ${d}Ev,Gv`, locked, sem),
    row(base + 2, `${name} ${d}Gb,Eb`, options, sem),
    row(base + 3, `${name} ${d}Gv,Ev`, options, sem),
    row(base + 4, `${name} ${d}AL,Ib`, options, sem),
    row(base + 5, `${name} ${d}eAX,Iz`, options, sem),
    row(0x80, `${name} ${d}Eb,Ib`, { ...locked, ext: i }, sem),
    row(0x81, `${name} ${d}Ev,Iz`, { ...locked, ext: i }, sem),
    row(0x82, `${name} ${d}Eb,Ib`, { undef, lockable: !compare, ext: i }, sem),
    row(0x83, `${name} ${d}Ev,Ibs`, { ...locked, ext: i }, sem),
  ];
}

const inc = (o: Ops, dst: AnyOperand): void => {
  const a = o.let(dst.get());
  const r = o.let(o.add(a, o.c(1)));
  dst.set(r);
  o.flagsInc(dst.size, a, r);
};
const dec = (o: Ops, dst: AnyOperand): void => {
  const a = o.let(dst.get());
  const r = o.let(o.sub(a, o.c(1)));
  dst.set(r);
  o.flagsDec(dst.size, a, r);
};
const not = (o: Ops, dst: AnyOperand): void => dst.set(o.not(dst.get()));
const neg = (o: Ops, dst: AnyOperand): void => {
  const a = o.let(dst.get());
  const r = o.let(o.sub(o.c(0), a));
  dst.set(r);
  o.flagsSub(dst.size, o.c(0), a, r);
};

const lockedHot = { hot: true, lockable: true };

/** ADD OR ADC SBB AND SUB XOR CMP TEST INC DEC NOT NEG. */
export const ALU_ROWS: readonly Row[] = [
  ...alu.flatMap(aluRows),
  row(0x84, 'TEST Eb,Gb', { hot: true, undef: AF }, test),
  row(0x85, 'TEST Ev,Gv', { hot: true, undef: AF }, test),
  row(0xa8, 'TEST AL,Ib', { hot: true, undef: AF }, test),
  row(0xa9, 'TEST eAX,Iz', { hot: true, undef: AF }, test),
  row(0xf6, 'TEST Eb,Ib', { hot: true, undef: AF, ext: 0 }, test),
  row(0xf6, 'TEST Eb,Ib', { undef: AF, ext: 1 }, test),
  row(0xf7, 'TEST Ev,Iz', { hot: true, undef: AF, ext: 0 }, test),
  row(0xf7, 'TEST Ev,Iz', { undef: AF, ext: 1 }, test),
  row(0xf6, 'NOT +Eb', { ...lockedHot, ext: 2 }, not),
  row(0xf7, 'NOT +Ev', { ...lockedHot, ext: 2 }, not),
  row(0xf6, 'NEG +Eb', { ...lockedHot, ext: 3 }, neg),
  row(0xf7, 'NEG +Ev', { ...lockedHot, ext: 3 }, neg),
  row(0xfe, 'INC +Eb', { ...lockedHot, ext: 0 }, inc),
  row(0xfe, 'DEC +Eb', { ...lockedHot, ext: 1 }, dec),
  row(0xff, 'INC +Ev', { ...lockedHot, ext: 0 }, inc),
  row(0xff, 'DEC +Ev', { ...lockedHot, ext: 1 }, dec),
  ...[0, 1, 2, 3, 4, 5, 6, 7].flatMap((r) => [
    row(0x40 + r, 'INC +Zv', { hot: true }, inc),
    row(0x48 + r, 'DEC +Zv', { hot: true }, dec),
  ]),
];
