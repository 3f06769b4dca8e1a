import type { Size } from '../ops.ts';
import { S } from '../state.ts';
import type { Expr } from '../wasm/expr.ts';
import { I32, i32, load, op32 } from '../wasm/expr.ts';
import type { FunctionBuilder } from '../wasm/function.ts';
import type { ModuleBuilder } from '../wasm/module.ts';
import { isOutOfPage, tlbSlot } from './resolve.ts';

/** Address routines of the fast loop. */
export interface EffectiveAddress {
  /** (ip, modrm) -> (offset, ip past SIB and displacement); `ip` is the host address after ModRM. */
  readonly offset: number;
  /** (ip, modrm, tlb table) -> (host address or 0, ip): 0 on a TLB miss or when the operand crosses a page. */
  host(size: Size): number;
  /** (linear, tlb table) -> host address or 0. */
  translate(size: Size): number;
}

const SIZES: readonly Size[] = [8, 16, 32];

/** Emits the address computation; parameter 0 (ip) moves past SIB and displacement. @returns the offset's local */
function emitOffset(fn: FunctionBuilder): number {
  const [ip, ea] = [0, fn.local()];
  const modrm = fn.get(1);
  const reg = (n: Expr): Expr => load('i32', op32('shl', n, i32(2)), S.regs);
  const move = (n: number): void => fn.set(ip, op32('add', fn.get(ip), i32(n)));
  const plus = (v: Expr): void => fn.set(ea, op32('add', fn.get(ea), v));
  const absolute = (): void => {
    fn.set(ea, load('i32', fn.get(ip)));
    move(4);
  };
  const rm = fn.bind(op32('and', modrm, i32(7)));
  fn.if(
    op32('eq', rm, i32(4)),
    () => {
      const sib = fn.bind(load('u8', fn.get(ip)));
      move(1);
      const base = fn.bind(op32('and', sib, i32(7)));
      fn.if(op32('and', op32('eq', base, i32(5)), op32('lt_u', modrm, i32(0x40))), absolute, () =>
        fn.set(ea, reg(base)),
      );
      const index = fn.bind(op32('and', op32('shr_u', sib, i32(3)), i32(7)));
      fn.if(op32('ne', index, i32(4)), () => plus(op32('shl', reg(index), op32('shr_u', sib, i32(6)))));
    },
    () => fn.if(op32('eq', op32('and', modrm, i32(0xc7)), i32(5)), absolute, () => fn.set(ea, reg(rm))),
  );
  const mod = fn.bind(op32('and', modrm, i32(0xc0)));
  fn.if(
    op32('eq', mod, i32(0x40)),
    () => {
      plus(load('s8', fn.get(ip)));
      move(1);
    },
    () =>
      fn.if(op32('eq', mod, i32(0x80)), () => {
        plus(load('i32', fn.get(ip)));
        move(4);
      }),
  );
  return ea;
}

function defineOffset(module: ModuleBuilder): number {
  const fn = module.function([I32, I32], [I32, I32]);
  const ea = emitOffset(fn);
  fn.ret(fn.get(ea), fn.get(0));
  fn.unreachable();
  return fn.index;
}

function defineTranslate(module: ModuleBuilder, size: Size): number {
  const fn = module.function([I32, I32], [I32]);
  const linear = fn.get(0);
  const entry = fn.bind(load('i32', tlbSlot(fn.get(1), linear)));
  fn.if(isOutOfPage(entry, linear, size), () => fn.ret(i32(0)));
  fn.ret(op32('add', linear, entry));
  fn.unreachable();
  return fn.index;
}

function defineHost(module: ModuleBuilder, size: Size): number {
  const fn = module.function([I32, I32, I32], [I32, I32]);
  const linear = emitOffset(fn);
  const entry = fn.bind(load('i32', tlbSlot(fn.get(2), fn.get(linear))));
  fn.if(isOutOfPage(entry, fn.get(linear), size), () => fn.ret(i32(0), fn.get(0)));
  fn.ret(op32('add', fn.get(linear), entry), fn.get(0));
  fn.unreachable();
  return fn.index;
}

export function defineEffectiveAddress(module: ModuleBuilder): EffectiveAddress {
  const offset = defineOffset(module);
  const hosts = new Map(SIZES.map((size) => [size, defineHost(module, size)]));
  const translates = new Map(SIZES.map((size) => [size, defineTranslate(module, size)]));
  return {
    offset,
    host: (size) => hosts.get(size) ?? 0,
    translate: (size) => translates.get(size) ?? 0,
  };
}
