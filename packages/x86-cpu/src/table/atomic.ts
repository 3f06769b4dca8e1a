import { Reg } from '../names.ts';
import type { Row } from '../row.ts';
import { row } from '../row.ts';
import type { Sem } from './common.ts';

/** The destination is written in either case; the accumulator goes first, as the destination may be the accumulator. */
const cmpxchg: Sem = (o, dst, src) => {
  const { size } = dst;
  const accumulator = o.reg(size, Reg.EAX);
  const a = o.let(accumulator.get());
  const d = o.let(dst.get());
  const s = o.let(src.get());
  accumulator.set(d);
  dst.set(o.select(o.eq(a, d), s, d));
  o.flagsSub(size, a, d, o.let(o.sub(a, d)));
};

const cmpxchg8b: Sem = (o, dst) => {
  const m = dst.at64(o.c(0), 'rw');
  const v = o.wlet(m.get());
  const equal = o.let(o.weq(v, o.wide(o.reg(32, Reg.EDX).get(), o.reg(32, Reg.EAX).get())));
  o.if(
    equal,
    () => m.set(o.wide(o.reg(32, Reg.ECX).get(), o.reg(32, Reg.EBX).get())),
    () => {
      m.set(v);
      o.reg(32, Reg.EAX).set(o.lo(v));
      o.reg(32, Reg.EDX).set(o.hi(v));
    },
  );
  o.setFlags({ zf: equal });
};

const xadd: Sem = (o, dst, src) => {
  const a = o.let(dst.get());
  const b = o.let(src.get());
  const r = o.let(o.add(a, b));
  src.set(a);
  dst.set(r);
  o.flagsAdd(dst.size, a, b, r);
};

const lockable = { lockable: true };

/** Read-modify-write instructions for multiprocessors. */
export const ATOMIC_ROWS: readonly Row[] = [
  row(0x0fb0, 'CMPXCHG +Eb,Gb', lockable, cmpxchg),
  row(0x0fb1, 'CMPXCHG +Ev,Gv', lockable, cmpxchg),
  row(0x0fc0, 'XADD +Eb,+Gb', lockable, xadd),
  row(0x0fc1, 'XADD +Ev,+Gv', lockable, xadd),
  row(0x0fc7, 'CMPXCHG8B M', { ext: 1, mod: 'mem', ...lockable }, cmpxchg8b),
];
