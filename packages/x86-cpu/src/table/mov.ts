import { Reg, Seg } from '../names.ts';
import type { Row } from '../row.ts';
import { AF, CF, PF, row, SF, ZF } from '../row.ts';
import type { Sem } from './common.ts';
import { bytes, CONDITIONS, EIGHT, loadSegment, SEGMENTS, undefinedOpcode } from './common.ts';

const AH = 4;

const mov: Sem = (_o, dst, src) => dst.set(src.get());
const movsx: Sem = (_o, dst, src) => dst.set(src.sget());

const xchg: Sem = (o, left, right) => {
  const a = o.let(left.get());
  const b = o.let(right.get());
  left.set(b);
  right.set(a);
};

const cmov =
  (cc: number): Sem =>
  (o, dst, src) => {
    const v = o.let(src.get());
    dst.set(o.select(o.cond(cc), v, dst.get()));
  };

const lea: Sem = (_o, dst, src) => dst.set(src.offset());

const xlat: Sem = (o) => {
  const offset = o.addrTrunc(o.add(o.reg(32, Reg.EBX).get(), o.reg(8, Reg.EAX).get()));
  const v = o.let(o.mem(8, null, offset, 'r').get());
  o.reg(8, Reg.EAX).set(v);
};

/** A 16-bit register has no defined result; processors give zero. */
const bswap: Sem = (o, dst) => {
  if (o.size === 16) {
    dst.set(o.c(0));
    return;
  }
  const v = o.let(dst.get());
  const outer = o.and(o.rotl(v, o.c(8)), o.c(0x00ff00ff));
  const inner = o.and(o.rotr(v, o.c(8)), o.c(0xff00ff00 | 0));
  dst.set(o.or(outer, inner));
};

const movSegment =
  (i: number): Sem =>
  (o, _dst, src) =>
    loadSegment(o, i, src.get());

/** LES, LDS, LSS, LFS, LGS: the pointer is read whole before the segment is loaded. */
const loadPointer =
  (i: number): Sem =>
  (o, dst, src) => {
    const offset = o.let(src.at(o.size, o.c(0), 'r').get());
    const selector = o.let(src.at(16, o.c(bytes(o)), 'r').get());
    o.helper('loadSegment', o.c(i), selector);
    dst.set(offset);
  };

const extendAccumulator: Sem = (o) => {
  const half = o.size === 32 ? 16 : 8;
  o.reg(o.size, Reg.EAX).set(o.reg(half, Reg.EAX).sget());
};

const cdq: Sem = (o) => o.reg(o.size, Reg.EDX).set(o.sar(o.reg(o.size, Reg.EAX).sget(), o.c(31)));

const lahf: Sem = (o) => o.reg(8, AH).set(o.and(o.eflags(), o.c(0xff)));
const sahf: Sem = (o) => o.setEflags(o.c(SF | ZF | AF | PF | CF), o.reg(8, AH).get());
const salc: Sem = (o) => o.reg(8, Reg.EAX).set(o.sub(o.c(0), o.flag('cf')));

const hot = { hot: true };
const reserved = { unrecorded: 'the prefix makes it undefined' };
const exchange = { hot: true, lockable: true };

/** Conditions that compiled code tests most. */
const hotConditions: readonly string[] = ['E', 'NE'];

const segmentMoves = SEGMENTS.flatMap((name, ext): Row[] => [
  row(0x8c, `MOV =Ev,${name}`, { ext, mod: 'reg' }, mov),
  row(0x8c, `MOV =Ew,${name}`, { ext, mod: 'mem' }, mov),
  ...(ext === Seg.CS ? [] : [row(0x8e, `MOV =${name},Ew`, { ext }, movSegment(ext))]),
]);

/** Data movement that leaves the flags alone, and LAHF/SAHF. */
export const MOV_ROWS: readonly Row[] = [
  row(0x88, 'MOV =Eb,Gb', hot, mov),
  row(0x89, 'MOV =Ev,Gv', hot, mov),
  row(0x8a, 'MOV =Gb,Eb', hot, mov),
  row(0x8b, 'MOV =Gv,Ev', hot, mov),
  row(0xa0, 'MOV =AL,Ob', hot, mov),
  row(0xa1, 'MOV =eAX,Ov', hot, mov),
  row(0xa2, 'MOV =Ob,AL', hot, mov),
  row(0xa3, 'MOV =Ov,eAX', hot, mov),
  row(0xc6, 'MOV =Eb,Ib', { hot: true, ext: 0 }, mov),
  row(0xc7, 'MOV =Ev,Iz', { hot: true, ext: 0 }, mov),
  ...EIGHT.flatMap((r) => [
    row(0xb0 + r, 'MOV =Zb,Ib', {}, mov),
    row(0xb8 + r, 'MOV =Zv,Iv', hot, mov),
    row(0x0fc8 + r, 'BSWAP +Zv', {}, bswap),
  ]),
  ...segmentMoves,
  row(0x0fb6, 'MOVZX =Gv,Eb', hot, mov),
  row(0x0fb7, 'MOVZX =Gv,Ew', hot, mov),
  row(0x0fbe, 'MOVSX =Gv,Eb', hot, movsx),
  row(0x0fbf, 'MOVSX =Gv,Ew', hot, movsx),
  row(0x0fc3, 'MOVNTI =Ed,Gd', { mod: 'mem' }, mov),
  ...[0x66, 0xf2, 0xf3].map((prefix) =>
    row(0x0fc3, 'MOVNTI M,Gd', { mod: 'mem', prefix, ...reserved }, undefinedOpcode),
  ),
  row(0x86, 'XCHG +Eb,+Gb', { lockable: true }, xchg),
  row(0x87, 'XCHG +Ev,+Gv', exchange, xchg),
  ...EIGHT.slice(1).map((r) => row(0x90 + r, 'XCHG +Zv,+eAX', {}, xchg)),
  ...CONDITIONS.map((cc, i) =>
    row(0x0f40 + i, `CMOV${cc} +Gv,Ev`, { hot: hotConditions.includes(cc) }, cmov(i)),
  ),
  row(0x8d, 'LEA =Gv,M', { hot: true, mod: 'mem' }, lea),
  row(0xd7, 'XLAT', {}, xlat),
  row(0xc4, 'LES =Gv,M', { mod: 'mem' }, loadPointer(Seg.ES)),
  row(0xc5, 'LDS =Gv,M', { mod: 'mem' }, loadPointer(Seg.DS)),
  row(0x0fb2, 'LSS =Gv,M', { mod: 'mem' }, loadPointer(Seg.SS)),
  row(0x0fb4, 'LFS =Gv,M', { mod: 'mem' }, loadPointer(Seg.FS)),
  row(0x0fb5, 'LGS =Gv,M', { mod: 'mem' }, loadPointer(Seg.GS)),
  row(0x98, 'CWDE', {}, extendAccumulator),
  row(0x99, 'CDQ', hot, cdq),
  row(0x9e, 'SAHF', {}, sahf),
  row(0x9f, 'LAHF', {}, lahf),
  row(0xd6, 'SALC', {}, salc),
];
