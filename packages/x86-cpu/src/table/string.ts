import { Reg, Seg } from '../names.ts';
import type { Ops, Size, Val } from '../ops.ts';
import type { Row } from '../row.ts';
import { row } from '../row.ts';
import type { Sem } from './common.ts';
import { portAccess } from './privilege.ts';

/** One iteration, for elements of `size` bits. */
type Iteration = (o: Ops, size: Size) => void;

/** Moves ESI or EDI to the next element, by the direction flag. */
function advance(o: Ops, register: number, size: Size): void {
  const step = o.select(o.df(), o.c(-size / 8), o.c(size / 8));
  const index = o.addrReg(register);
  index.set(o.add(index.get(), step));
}

const source = (o: Ops, size: Size): Val => o.let(o.mem(size, null, o.addrReg(Reg.ESI).get(), 'r').get());
const destination = (o: Ops, size: Size): Val =>
  o.let(o.mem(size, Seg.ES, o.addrReg(Reg.EDI).get(), 'r').get());

const movs: Iteration = (o, size) => {
  const v = source(o, size);
  o.mem(size, Seg.ES, o.addrReg(Reg.EDI).get(), 'w').set(v);
  advance(o, Reg.ESI, size);
  advance(o, Reg.EDI, size);
};
function compare(o: Ops, size: Size, a: Val, b: Val): void {
  o.flagsSub(size, a, b, o.let(o.sub(a, b)));
  advance(o, Reg.ESI, size);
  advance(o, Reg.EDI, size);
}
/** Which of the two is read first, CR2 tells; an AMD processor begins with the destination, but for REPE CMPSB. */
const cmps: Iteration = (o, size) => {
  const b = destination(o, size);
  compare(o, size, source(o, size), b);
};
const repeCmpsb = (o: Ops): void => {
  const a = source(o, 8);
  compare(o, 8, a, destination(o, 8));
};
const stos: Iteration = (o, size) => {
  o.mem(size, Seg.ES, o.addrReg(Reg.EDI).get(), 'w').set(o.reg(size, Reg.EAX).get());
  advance(o, Reg.EDI, size);
};
const lods: Iteration = (o, size) => {
  o.reg(size, Reg.EAX).set(source(o, size));
  advance(o, Reg.ESI, size);
};
const scas: Iteration = (o, size) => {
  const a = o.let(o.reg(size, Reg.EAX).get());
  const b = destination(o, size);
  o.flagsSub(size, a, b, o.let(o.sub(a, b)));
  advance(o, Reg.EDI, size);
};

const byByte =
  (iteration: Iteration): Sem =>
  (o) =>
    iteration(o, 8);
const bySize =
  (iteration: Iteration): Sem =>
  (o) =>
    iteration(o, o.size);

const rep = { rep: 'rep' } as const;
const repz = { rep: 'repz' } as const;

/** String instructions: the operands X and Y are spelt for the reader, each iteration makes its own accesses. */
export const STRING_ROWS: readonly Row[] = [
  row(0xa4, 'MOVS Yb,Xb', { ...rep, bulk: 'copy' }, byByte(movs)),
  row(0xa5, 'MOVS Yv,Xv', { ...rep, bulk: 'copy' }, bySize(movs)),
  row(0xa6, 'CMPS Xb,Yb', { ...repz, repe: repeCmpsb }, byByte(cmps)),
  row(0xa7, 'CMPS Xv,Yv', repz, bySize(cmps)),
  row(0xaa, 'STOS Yb,AL', { ...rep, bulk: 'fill' }, byByte(stos)),
  row(0xab, 'STOS Yv,eAX', { ...rep, bulk: 'fill' }, bySize(stos)),
  row(0xac, 'LODS AL,Xb', rep, byByte(lods)),
  row(0xad, 'LODS eAX,Xv', rep, bySize(lods)),
  row(0xae, 'SCAS AL,Yb', repz, byByte(scas)),
  row(0xaf, 'SCAS eAX,Yv', repz, bySize(scas)),
  row(0x6c, 'INS Yb,DX', rep, portAccess),
  row(0x6d, 'INS Yv,DX', rep, portAccess),
  row(0x6e, 'OUTS DX,Xb', rep, portAccess),
  row(0x6f, 'OUTS DX,Xv', rep, portAccess),
];
