import { Reg, Seg } from '../names.ts';
import type { Row } from '../row.ts';
import { AC, DF, ID, IF, IOPL, NT, OSZAPC, RF, row, TF, VM } from '../row.ts';
import type { Sem } from './common.ts';
import { bytes, EIGHT, loadSegment } from './common.ts';

const push: Sem = (o, src) => {
  const v = o.let(src.get());
  o.stackStore(o.size, -bytes(o), v);
  o.addSp(o.c(-bytes(o)));
};

/** The register form: POP ESP keeps the value that was popped. */
const pop: Sem = (o, dst) => {
  const v = o.let(o.stackLoad(o.size, 0));
  o.addSp(o.c(bytes(o)));
  dst.set(v);
};

/** The address is computed with the incremented ESP (the decoder sees to it), and its faults come after the stack's. */
const popMemory: Sem = (o, dst) => {
  const v = o.let(o.stackLoad(o.size, 0));
  dst.at(o.size, o.c(0), 'w').set(v);
  o.addSp(o.c(bytes(o)));
};

const popSegment =
  (i: number): Sem =>
  (o) => {
    const v = o.let(o.stackLoad(o.size, 0));
    loadSegment(o, i, o.zext(16, v));
    o.addSp(o.c(bytes(o)));
  };

const pusha: Sem = (o) => {
  for (const r of EIGHT) o.stackStore(o.size, -bytes(o) * (r + 1), o.reg(o.size, r).get());
  o.addSp(o.c(-8 * bytes(o)));
};

/** ESP's slot is read, too, and dropped. The lowest address is read first, as on processors: CR2 tells. */
const popa: Sem = (o) => {
  const values = EIGHT.map((slot) => o.let(o.stackLoad(o.size, slot * bytes(o))));
  values.forEach((v, slot) => {
    const register = 7 - slot;
    if (register !== Reg.ESP) o.reg(o.size, register).set(v);
  });
  o.addSp(o.c(8 * bytes(o)));
};

const pushf: Sem = (o) => {
  o.stackStore(o.size, -bytes(o), o.and(o.eflags(), o.c(~(VM | RF))));
  o.addSp(o.c(-bytes(o)));
};

/** IOPL changes only at CPL 0, IF only at CPL <= IOPL; neither attempt faults. RF is cleared. */
const popf: Sem = (o) => {
  const v = o.let(o.stackLoad(o.size, 0));
  const plain = OSZAPC | TF | DF | NT | (o.size === 32 ? RF | AC | ID : 0);
  const forIf = o.select(o.leU(o.cpl(), o.iopl()), o.c(IF), o.c(0));
  const forIopl = o.select(o.eqz(o.cpl()), o.c(IOPL), o.c(0));
  const mask = o.let(o.or(o.c(plain), o.or(forIf, forIopl)));
  o.addSp(o.c(bytes(o)));
  o.setEflags(mask, o.and(v, o.c(~RF)));
};

const enter: Sem = (o, allocation, level) => o.helper('enter', allocation.get(), level.get());

const leave: Sem = (o) => {
  const frame = o.let(o.reg(32, Reg.EBP).get());
  const v = o.let(o.stackLoadAt(o.size, frame));
  o.setSp(o.add(frame, o.c(bytes(o))));
  o.reg(o.size, Reg.EBP).set(v);
};

const hot = { hot: true };

/** PUSH and POP in all forms, PUSHA/POPA, PUSHF/POPF, ENTER/LEAVE. */
export const STACK_ROWS: readonly Row[] = [
  ...EIGHT.flatMap((r) => [row(0x50 + r, 'PUSH Zv', hot, push), row(0x58 + r, 'POP =Zv', hot, pop)]),
  row(0x68, 'PUSH Iz', hot, push),
  row(0x6a, 'PUSH Ibs', hot, push),
  row(0xff, 'PUSH Ev', { hot: true, ext: 6 }, push),
  row(0x8f, 'POP =Ev', { ext: 0, mod: 'reg' }, pop),
  row(0x8f, 'POP M', { ext: 0, mod: 'mem' }, popMemory),
  row(0x06, 'PUSH ES', {}, push),
  row(0x0e, 'PUSH CS', {}, push),
  row(0x16, 'PUSH SS', {}, push),
  row(0x1e, 'PUSH DS', {}, push),
  row(0x0fa0, 'PUSH FS', {}, push),
  row(0x0fa8, 'PUSH GS', {}, push),
  row(0x07, 'POP =ES', {}, popSegment(Seg.ES)),
  row(0x17, 'POP =SS', {}, popSegment(Seg.SS)),
  row(0x1f, 'POP =DS', {}, popSegment(Seg.DS)),
  row(0x0fa1, 'POP =FS', {}, popSegment(Seg.FS)),
  row(0x0fa9, 'POP =GS', {}, popSegment(Seg.GS)),
  row(0x60, 'PUSHA', {}, pusha),
  row(0x61, 'POPA', {}, popa),
  row(0x9c, 'PUSHF', {}, pushf),
  row(0x9d, 'POPF', {}, popf),
  row(0xc8, 'ENTER Iw,Ib', {}, enter),
  row(0xc9, 'LEAVE', hot, leave),
];
