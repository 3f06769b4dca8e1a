import { Exit, Reg, Vector } from '../names.ts';
import type { Operand, Ops, Val } from '../ops.ts';
import type { Row } from '../row.ts';
import { row } from '../row.ts';
import type { Sem } from './common.ts';
import { bytes, CONDITIONS, EIGHT, undefinedOpcode } from './common.ts';

const relative = (o: Ops, displacement: Operand): Val => o.add(o.nextEip(), displacement.get());

const jumpRelative: Sem = (o, displacement) => o.jump(relative(o, displacement));
const jumpIndirect: Sem = (o, target) => o.jump(target.get());

const jcc =
  (cc: number): Sem =>
  (o, displacement) =>
    o.jumpIf(o.cond(cc), relative(o, displacement));

/** The push faults first, then the target's limit is checked, and then the push is done; SP moves last. */
function call(o: Ops, target: Val): void {
  const bound = o.let(target);
  const back = o.let(o.nextEip());
  const slot = o.stackSlot(o.size, -bytes(o));
  o.jump(bound);
  slot.set(back);
  o.addSp(o.c(-bytes(o)));
}
const callRelative: Sem = (o, displacement) => call(o, relative(o, displacement));
const callIndirect: Sem = (o, target) => call(o, target.get());

const ret: Sem = (o) => {
  const target = o.let(o.stackLoad(o.size, 0));
  o.jump(target);
  o.addSp(o.c(bytes(o)));
};
const retPop: Sem = (o, operand) => {
  const target = o.let(o.stackLoad(o.size, 0));
  o.jump(target);
  o.addSp(o.add(operand.get(), o.c(bytes(o))));
};

const loop =
  (also?: (o: Ops) => Val): Sem =>
  (o, displacement) => {
    const counter = o.addrReg(Reg.ECX);
    const n = o.let(o.addrTrunc(o.sub(counter.get(), o.c(1))));
    const more = o.ne(n, o.c(0));
    o.jumpIf(also ? o.and(more, also(o)) : more, relative(o, displacement));
    counter.set(n);
  };
const jcxz: Sem = (o, displacement) => o.jumpIf(o.eqz(o.addrReg(Reg.ECX).get()), relative(o, displacement));

const farImmediate =
  (helper: string): Sem =>
  (o, offset, selector) =>
    o.helper(helper, selector.get(), offset.get());
const farMemory =
  (helper: string): Sem =>
  (o, pointer) => {
    const offset = o.let(pointer.at(o.size, o.c(0), 'r').get());
    const selector = o.let(pointer.at(16, o.c(bytes(o)), 'r').get());
    o.helper(helper, selector, offset);
  };
const farReturn: Sem = (o) => o.helper('farReturn', o.c(0));
const farReturnPop: Sem = (o, operand) => o.helper('farReturn', operand.get());
const iret: Sem = (o) => o.helper('iret');

const trap =
  (vector: number): Sem =>
  (o) =>
    o.exit(Exit.Fault, o.c(vector));
const into: Sem = (o) => o.if(o.flag('of'), () => o.exit(Exit.Fault, o.c(Vector.OF)));
const interrupt: Sem = (o, vector) => o.exit(Exit.Interrupt, vector.get());

/** Both bounds are read before the index is compared. */
const bound: Sem = (o, index, bounds) => {
  const lower = o.let(bounds.at(o.size, o.c(0), 'r').sget());
  const upper = o.let(bounds.at(o.size, o.c(bytes(o)), 'r').sget());
  const i = o.let(index.sget());
  o.faultIf(o.or(o.ltS(i, lower), o.ltS(upper, i)), Vector.BR);
};

const nop: Sem = () => {};

const hot = { hot: true };
const leaves = { unrecorded: 'leaves the CPU for the kernel' };

/** Transfers of control, software interrupts and NOPs. */
export const CONTROL_ROWS: readonly Row[] = [
  ...CONDITIONS.flatMap((cc, i) => [
    row(0x70 + i, `J${cc} Jb`, hot, jcc(i)),
    row(0x0f80 + i, `J${cc} Jz`, hot, jcc(i)),
  ]),
  row(0xeb, 'JMP Jb', hot, jumpRelative),
  row(0xe9, 'JMP Jz', hot, jumpRelative),
  row(0xff, 'JMP Ev', { hot: true, ext: 4 }, jumpIndirect),
  row(0xe8, 'CALL Jz', hot, callRelative),
  row(0xff, 'CALL Ev', { hot: true, ext: 2 }, callIndirect),
  row(0xc3, 'RET', hot, ret),
  row(0xc2, 'RET Iw', hot, retPop),
  row(
    0xe0,
    'LOOPNE Jb',
    {},
    loop((o) => o.eqz(o.flag('zf'))),
  ),
  row(
    0xe1,
    'LOOPE Jb',
    {},
    loop((o) => o.flag('zf')),
  ),
  row(0xe2, 'LOOP Jb', {}, loop()),
  row(0xe3, 'JCXZ Jb', {}, jcxz),
  row(0x9a, 'CALLF Ap,Iw', {}, farImmediate('farCall')),
  row(0xea, 'JMPF Ap,Iw', {}, farImmediate('farJump')),
  row(0xff, 'CALLF M', { ext: 3, mod: 'mem' }, farMemory('farCall')),
  row(0xff, 'JMPF M', { ext: 5, mod: 'mem' }, farMemory('farJump')),
  row(0xca, 'RETF Iw', {}, farReturnPop),
  row(0xcb, 'RETF', {}, farReturn),
  row(0xcf, 'IRET', {}, iret),
  row(0xcc, 'INT3', {}, trap(Vector.BP)),
  row(0xcd, 'INT Ib', leaves, interrupt),
  row(0xce, 'INTO', {}, into),
  row(0xf1, 'INT1', leaves, trap(Vector.DB)),
  row(0x62, 'BOUND Gv,M', { mod: 'mem' }, bound),
  row(0x0f0b, 'UD2', {}, undefinedOpcode),
  row(0x0fb9, 'UD1 Gv,M', {}, undefinedOpcode),
  row(0x0fff, 'UD0 Gv,M', {}, undefinedOpcode),
  row(0x90, 'NOP', hot, nop),
  row(0x90, 'PAUSE', { prefix: 0xf3 }, nop),
  row(0x0f0d, 'PREFETCHW M', { mod: 'mem' }, nop),
  row(0x0f18, 'PREFETCH M', {}, nop),
  ...EIGHT.slice(1, 7).map((i) => row(0x0f18 + i, 'NOP M', {}, nop)),
  row(0x0f1f, 'NOP M', { hot: true, mod: 'mem' }, nop),
  row(0x0f1f, 'NOP M', { mod: 'reg' }, nop),
];
