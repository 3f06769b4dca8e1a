import { Reg, Seg } from '../names.ts';
import type { Size } from '../ops.ts';
import type { Row } from '../row.ts';
import { DF } from '../row.ts';
import { EXTENT, EXTENT_USER, S, TLB_WRITE } from '../state.ts';
import type { Expr } from '../wasm/expr.ts';
import { i32, load, op32, select } from '../wasm/expr.ts';
import type { GenericOps } from './generic-ops.ts';
import { tlbSlot } from './resolve.ts';

/** What a run of iterations does to memory. */
export type BulkKind = NonNullable<Row['bulk']>;

const minU = (a: Expr, b: Expr): Expr => select(op32('lt_u', a, b), a, b);

/**
 * Does as many iterations of a repeated MOVS or STOS at once as lie within one page or the TLB's extent on each side,
 * forwards, in flat 32-bit segments, within the budget. `done` follows with the budget less all iterations but the last one.
 * What does not qualify falls through to the single iteration.
 */
export function emitBulk(o: GenericOps, kind: BulkKind, size: Size, done: () => void): void {
  const { fn } = o;
  const bytes = size >> 3;
  const shift = i32(Math.log2(bytes));
  const plain = o.and(
    o.and(o.eqz(o.state(S.mode)), o.eq(o.state(S.addrMask), i32(-1))),
    o.and(o.eqz(o.and(o.state(S.sysFlags), i32(DF))), o.ltU(o.state(S.dataSeg), i32(Seg.FS))),
  );
  fn.if(plain, () => {
    const register = (n: number): Expr => o.reg(32, n).get();
    const extent = o.let(o.mul(o.eq(o.state(S.cpl), i32(3)), i32(EXTENT_USER)));
    const room = (n: number): Expr => o.shr(bytesFrom(o, o.let(register(n)), extent), shift);
    const n = fn.local();
    fn.set(n, o.let(minU(register(Reg.ECX), o.state(S.budget))));
    fn.set(n, o.let(minU(fn.get(n), o.let(room(Reg.EDI)))));
    if (kind === 'copy') fn.set(n, o.let(minU(fn.get(n), o.let(room(Reg.ESI)))));
    fn.if(o.ltU(i32(1), fn.get(n)), () => {
      const length = o.let(o.shl(fn.get(n), shift));
      const source = kind === 'copy' ? o.resolved(8, i32(Seg.DS), register(Reg.ESI), 'r') : i32(0);
      const destination = o.resolved(8, i32(Seg.ES), register(Reg.EDI), 'w');
      // A page without a write entry holds compiled code: its stores are looked at one by one.
      const entry = load('i32', tlbSlot(o.state(S.tlb), register(Reg.EDI)), TLB_WRITE);
      const account = (): void => {
        const add = (r: number, v: Expr): void => o.reg(32, r).set(o.add(register(r), v));
        add(Reg.EDI, length);
        if (kind === 'copy') add(Reg.ESI, length);
        o.reg(32, Reg.ECX).set(o.sub(register(Reg.ECX), fn.get(n)));
        o.setState(S.budget, o.sub(o.state(S.budget), o.sub(fn.get(n), i32(1))));
        done();
      };
      if (kind === 'copy') {
        const overlaps = o.ltU(o.sub(destination, source), length);
        fn.if(o.eqz(o.or(overlaps, o.and(entry, i32(1)))), () => {
          fn.copy(destination, source, length);
          account();
        });
        return;
      }
      fn.if(o.eqz(o.and(entry, i32(1))), () => {
        const pattern = o.reg(32, Reg.EAX).get();
        const byte = o.let(o.and(pattern, i32(0xff)));
        const uniform =
          size === 8 ? i32(1) : o.eq(o.zext(size, pattern), o.zext(size, o.mul(byte, i32(0x01010101))));
        fn.if(
          uniform,
          () => fn.fill(destination, byte, length),
          () => fillPattern(o, size, destination, length),
        );
        account();
      });
    });
  });
}

/** Bytes from an address to where the extent ends, if it lies there, or else its page. */
function bytesFrom(o: GenericOps, address: Expr, extent: Expr): Expr {
  const word = (offset: number): Expr => load('i32', extent, offset);
  const into = o.let(o.sub(address, word(EXTENT.low)));
  const inPage = o.sub(i32(4096), o.and(address, i32(0xfff)));
  return select(o.ltU(into, word(EXTENT.bytes)), o.sub(word(EXTENT.bytes), into), inPage);
}

function fillPattern(o: GenericOps, size: Size, destination: Expr, length: Expr): void {
  const { fn } = o;
  const at = fn.local();
  fn.set(at, destination);
  const end = o.let(o.add(destination, length));
  fn.loop((again) => {
    o.pointer(size, fn.get(at)).set(o.reg(size, Reg.EAX).get());
    fn.set(at, o.add(fn.get(at), i32(size >> 3)));
    fn.brIf(o.ltU(fn.get(at), end), again);
  });
}
