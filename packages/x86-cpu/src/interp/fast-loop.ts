import { Imm, type ParsedSpec, sizeOf } from '../operand-spec.ts';
import type { Size } from '../ops.ts';
import type { AnyOperand, Row } from '../row.ts';
import {
  CODE_TLB,
  INDIRECT,
  INDIRECT_ENTRIES,
  INDIRECT_SHIFT,
  PROFILE,
  PROFILE_ENTRIES,
  S,
  TLB_WRITE,
} from '../state.ts';
import type { Expr } from '../wasm/expr.ts';
import { call, I32, i32, load, op32, select } from '../wasm/expr.ts';
import type { FunctionBuilder, Label } from '../wasm/function.ts';
import type { ModuleBuilder } from '../wasm/module.ts';
import { codeKey, codeSlot } from './decode-step.ts';
import { hasModrm, tableIndex } from './decode-table.ts';
import type { EffectiveAddress } from './effective-address.ts';
import { type FastLocals, FastOps } from './fast-ops.ts';
import { partialOperand, registerAddress } from './generic-rows.ts';
import { STATUS_HOT } from './runtime.ts';

/** Code bytes at the end of a page that the fast loop leaves to `step`: an instruction might cross. */
const PAGE_TAIL = 16;
const MAX_INSTRUCTION_BYTES = 15;
/** Forward branches alone are counted so far. */
const REACHED = 16;
/** Code behind a call is compiled with its function as a rule, and needs a region of its own less than others. */
const RETURNS = 4;
const MOST_COUNTED = 0xfff0;
/** What an instruction that the general step runs adds to the counter of its loop: it costs more than several branches. */
const GENERIC_HEAT = 8;
/** Place of a counter that nobody looks at, behind the others. */
const NO_LOOP = PROFILE_ENTRIES * 2;
const LAST_START = 0x1000 - PAGE_TAIL;

/** Byte offset, from PROFILE, of the counter of branches to `eip`. */
export const profileOffset = (eip: Expr): Expr =>
  op32('shl', op32('and', eip, i32(PROFILE_ENTRIES - 1)), i32(1));

/** Emits the fast loop from the hot rows of the table: () -> status. */
export class FastLoopEmitter {
  readonly #fn: FunctionBuilder;
  readonly #l: FastLocals;
  readonly #address: EffectiveAddress;
  readonly #step: number;
  readonly #hotBranches: number | null;
  /** Byte offset, from PROFILE, of the counter of what was branched back to, called or returned to last. */
  readonly #loop: number;

  /** @param hotBranches count branch targets, and leave with STATUS_HOT at one reached more often than this; null: do not */
  constructor(
    module: ModuleBuilder,
    name: string,
    step: number,
    address: EffectiveAddress,
    hotBranches: number | null,
  ) {
    this.#address = address;
    this.#step = step;
    this.#hotBranches = hotBranches;
    const fn = module.function([], [I32], name);
    this.#fn = fn;
    this.#l = {
      ip: fn.local(),
      start: fn.local(),
      page: fn.local(),
      delta: fn.local(),
      budget: fn.local(),
      result: fn.local(),
      aux: fn.local(),
      tlb: fn.local(),
    };
    this.#loop = fn.local();
  }

  /** @returns the function's index */
  emit(table: readonly Row[]): number {
    const fn = this.#fn;
    const l = this.#l;
    const hot = table.filter((r) => r.hot);
    this.#enter();
    fn.loop((next) => {
      fn.if(op32('eqz', fn.get(l.budget)), () => {
        this.#leave(fn.get(l.ip));
        fn.ret(i32(0));
      });
      fn.set(l.budget, op32('sub', fn.get(l.budget), i32(1)));
      fn.block((generic) => {
        this.#findPage(generic);
        fn.set(l.start, fn.get(l.ip));
        const ops = new FastOps(fn, l, generic, () => this.#count(true));
        this.#dispatch(hot, 0, ops, next, generic);
      });
      this.#generic();
      fn.br(next);
    });
    fn.unreachable();
    return fn.index;
  }

  #enter(): void {
    const fn = this.#fn;
    const l = this.#l;
    fn.set(l.budget, load('i32', i32(0), S.budget));
    this.#reload();
    fn.set(l.ip, load('i32', i32(0), S.eip));
    fn.set(this.#loop, i32(NO_LOOP));
    this.#forgetPage();
  }

  #reload(): void {
    const fn = this.#fn;
    fn.set(this.#l.result, load('i32', i32(0), S.result));
    fn.set(this.#l.aux, load('i32', i32(0), S.aux));
    fn.set(this.#l.tlb, load('i32', i32(0), S.tlb));
  }

  /** Stores what lives in locals; `at` is the host address of the next instruction. */
  #leave(at: Expr): void {
    const fn = this.#fn;
    const put = (offset: number, v: Expr): void => fn.store('i32', i32(0), v, offset);
    put(S.eip, op32('sub', at, fn.get(this.#l.delta)));
    put(S.budget, fn.get(this.#l.budget));
    put(S.result, fn.get(this.#l.result));
    put(S.aux, fn.get(this.#l.aux));
  }

  /** Runs one instruction by `step`, and goes on unless something is pending or the mode is no longer plain. */
  #generic(): void {
    const fn = this.#fn;
    const l = this.#l;
    fn.set(l.budget, op32('add', fn.get(l.budget), i32(1)));
    this.#leave(fn.get(l.start));
    const status = fn.bind(call(this.#step, []));
    fn.if(op32('or', status, load('i32', i32(0), S.mode)), () => fn.ret(status));
    fn.set(l.budget, load('i32', i32(0), S.budget));
    this.#reload();
    fn.set(l.ip, op32('add', load('i32', i32(0), S.eip), fn.get(l.delta)));
    if (this.#hotBranches !== null) {
      const count = fn.bind(load('u16', fn.get(this.#loop), PROFILE));
      const hotter = op32('mul', op32('lt_u', count, i32(MOST_COUNTED)), i32(GENERIC_HEAT));
      fn.store('i16', fn.get(this.#loop), op32('add', count, hotter), PROFILE);
      const distance = op32('sub', fn.get(l.ip), fn.get(l.start));
      fn.if(op32('lt_u', i32(MAX_INSTRUCTION_BYTES), distance), () => this.#count(false));
    }
    this.#forgetPage();
  }

  /** The page must be looked up before the next instruction: control or privilege may have moved. */
  #forgetPage(): void {
    this.#fn.set(this.#l.page, op32('add', this.#fn.get(this.#l.ip), i32(1)));
  }

  #findPage(generic: Label): void {
    const fn = this.#fn;
    const l = this.#l;
    const offset = op32('sub', fn.get(l.ip), fn.get(l.page));
    fn.if(op32('lt_u', i32(LAST_START), offset), () => {
      fn.set(l.start, fn.get(l.ip));
      const linear = fn.bind(op32('sub', fn.get(l.ip), fn.get(l.delta)));
      const inPage = fn.bind(op32('and', linear, i32(0xfff)));
      fn.brIf(op32('lt_u', i32(LAST_START), inPage), generic);
      const slot = fn.bind(codeSlot(linear));
      fn.brIf(op32('ne', load('i32', slot, CODE_TLB), codeKey(linear)), generic);
      fn.set(l.page, load('i32', slot, CODE_TLB + 4));
      fn.set(l.ip, op32('add', fn.get(l.page), inPage));
      fn.set(l.delta, op32('sub', fn.get(l.ip), linear));
    });
  }

  /** Branches on the opcode byte at `ip + at`; 0F leads to the second map. */
  #dispatch(rows: readonly Row[], at: number, ops: FastOps, next: Label, generic: Label): void {
    const fn = this.#fn;
    const inMap = rows.filter((r) => (r.opcode > 0xff ? 1 : 0) === at && r.prefix === undefined);
    const opcodes = [...new Set(inMap.map((r) => tableIndex(r.opcode) & 0xff))];
    if (at === 0) opcodes.push(0x0f);
    const targets: Label[] = Array.from({ length: 256 }, () => generic);
    for (const opcode of opcodes) targets[opcode] = fn.open();
    fn.brTable(load('u8', fn.get(this.#l.start), at), targets, generic);
    for (const opcode of opcodes.reverse()) {
      fn.close();
      if (at === 0 && opcode === 0x0f) this.#dispatch(rows, 1, ops, next, generic);
      else {
        const forms = inMap.filter((r) => (tableIndex(r.opcode) & 0xff) === opcode);
        fn.scope(() => this.#handler(forms, at + 1, ops, next, generic));
      }
    }
  }

  #handler(forms: readonly Row[], length: number, ops: FastOps, next: Label, generic: Label): void {
    const fn = this.#fn;
    const only = forms[0];
    if (only && forms.length === 1 && only.ext === undefined && only.mod === undefined) {
      this.#row(only, length, ops, null);
      fn.br(next);
      return;
    }
    const modrm = fn.bind(load('u8', fn.get(this.#l.start), length));
    const targets: Label[] = Array.from({ length: 16 }, () => generic);
    const labels = forms.map((form) => {
      const label = fn.open();
      for (let slot = 0; slot < 16; slot++) {
        if (form.ext !== undefined && form.ext !== (slot & 7)) continue;
        if (form.mod === 'reg' && slot < 8) continue;
        if (form.mod === 'mem' && slot > 7) continue;
        targets[slot] = label;
      }
      return label;
    });
    const reg = op32('and', op32('shr_u', modrm, i32(3)), i32(7));
    const mod3 = op32('shl', op32('le_u', i32(0xc0), modrm), i32(3));
    fn.brTable(op32('or', reg, mod3), targets, generic);
    for (let i = labels.length - 1; i >= 0; i--) {
      fn.close();
      const form = forms[i];
      if (form) fn.scope(() => this.#row(form, length, ops, modrm));
      fn.br(next);
    }
  }

  #row(row: Row, length: number, ops: FastOps, known: Expr | null): void {
    const fn = this.#fn;
    const { ip, start } = this.#l;
    const modrm = hasModrm(row) ? (known ?? fn.bind(load('u8', fn.get(start), length))) : i32(0);
    fn.set(ip, op32('add', fn.get(start), i32(length + (hasModrm(row) ? 1 : 0))));
    const { specs } = row;
    const memory = specs.find((s) => s.kind === 'rm' || s.kind === 'mem');
    const host = memory ? this.#memory(memory, modrm, ops) : i32(0);
    const [a, b, c] = specs.map((s) => this.#operand(s, row, modrm, host, ops));
    const none = partialOperand(32, {});
    ops.jumped = false;
    row.sem(ops, a ?? none, b ?? none, c ?? none);
    if (!ops.jumped) return;
    if (specs.some((spec) => spec.kind === 'rm')) this.#rememberTarget();
    this.#count(row.mnemonic === 'JMP', row.mnemonic === 'RET' ? RETURNS : 1);
  }

  /** Notes where an indirect jump or call went. */
  #rememberTarget(): void {
    if (this.#hotBranches === null) return;
    const fn = this.#fn;
    const eip = fn.bind(op32('sub', fn.get(this.#l.start), fn.get(this.#l.delta)));
    const entry = fn.bind(op32('shl', op32('and', eip, i32(INDIRECT_ENTRIES - 1)), i32(INDIRECT_SHIFT)));
    const target = fn.bind(op32('sub', fn.get(this.#l.ip), fn.get(this.#l.delta)));
    const latest = fn.bind(load('i32', entry, INDIRECT + 4));
    const second = fn.bind(load('i32', entry, INDIRECT + 8));
    fn.if(
      op32('ne', load('i32', entry, INDIRECT), eip),
      () => {
        fn.store('i32', entry, eip, INDIRECT);
        fn.store('i32', entry, target, INDIRECT + 4);
        for (const at of [8, 12]) fn.store('i32', entry, i32(0), INDIRECT + at);
      },
      () =>
        fn.if(op32('ne', latest, target), () => {
          const third = load('i32', entry, INDIRECT + 12);
          fn.store('i32', entry, select(op32('eq', second, target), third, second), INDIRECT + 12);
          fn.store('i32', entry, latest, INDIRECT + 8);
          fn.store('i32', entry, target, INDIRECT + 4);
        }),
    );
  }

  /**
   * Counts the branch target in `ip`. Forward branches only show that it is reached: whatever runs often is branched back
   * to, called or returned to somewhere, and there a region should begin.
   * @param isBranch not a call or return
   * @param patience how many times more often than others it has to be reached
   */
  #count(isBranch: boolean, patience = 1): void {
    const hotBranches = this.#hotBranches;
    if (hotBranches === null) return;
    const fn = this.#fn;
    const eip = op32('sub', fn.get(this.#l.ip), fn.get(this.#l.delta));
    const slot = fn.bind(profileOffset(eip));
    const count = fn.bind(load('u16', slot, PROFILE));
    const enough = Math.min(hotBranches * patience, MOST_COUNTED);
    fn.if(op32('lt_u', i32(enough), count), () => {
      this.#leave(fn.get(this.#l.ip));
      fn.ret(i32(STATUS_HOT));
    });
    const back = op32('le_u', fn.get(this.#l.ip), fn.get(this.#l.start));
    fn.set(this.#loop, isBranch ? select(back, slot, fn.get(this.#loop)) : slot);
    const more = isBranch ? op32('or', back, op32('ne', count, i32(REACHED))) : i32(1);
    fn.store('i16', slot, op32('add', count, more), PROFILE);
  }

  /** Host address of an r/m operand, or offset of a memory operand; moves `ip` past SIB and displacement. */
  #memory(spec: ParsedSpec, modrm: Expr, ops: FastOps): Expr {
    const fn = this.#fn;
    const { ip, tlb } = this.#l;
    const address = fn.local();
    if (spec.kind === 'mem') {
      fn.setMany([address, ip], call(this.#address.offset, [fn.get(ip), modrm]));
      return fn.get(address);
    }
    const size = sizeOf(spec, ops);
    fn.if(
      op32('lt_u', modrm, i32(0xc0)),
      () => {
        const table = spec.mode === 'r' ? fn.get(tlb) : op32('add', fn.get(tlb), i32(TLB_WRITE));
        fn.setMany([address, ip], call(this.#address.host(size), [fn.get(ip), modrm, table]));
        ops.faultIf(op32('eqz', fn.get(address)));
      },
      () => fn.set(address, op32('add', registerAddress(size, op32('and', modrm, i32(7))), i32(S.regs))),
    );
    return fn.get(address);
  }

  #operand(spec: ParsedSpec, row: Row, modrm: Expr, host: Expr, ops: FastOps): AnyOperand {
    const fn = this.#fn;
    const size = sizeOf(spec, ops);
    switch (spec.kind) {
      case 'rm':
        return partialOperand(size, ops.pointer(size, host));
      case 'mem':
        return partialOperand(32, { offset: () => host });
      case 'reg':
        return partialOperand(size, ops.pointer(size, this.#regField(size, modrm), S.regs));
      case 'opreg':
        return partialOperand(size, ops.reg(size, row.opcode & 7));
      case 'imm':
      case 'rel':
        return partialOperand(size, this.#immediate(spec, size, ops));
      case 'moffs': {
        const linear = this.#take('i32', 4);
        const entry = fn.local();
        const table =
          spec.mode === 'r' ? fn.get(this.#l.tlb) : op32('add', fn.get(this.#l.tlb), i32(TLB_WRITE));
        fn.set(entry, call(this.#address.translate(size), [linear, table]));
        ops.faultIf(op32('eqz', fn.get(entry)));
        return partialOperand(size, ops.pointer(size, fn.get(entry)));
      }
      case 'fixed':
        return partialOperand(size, ops.reg(size, spec.fixed));
      case 'one':
        return partialOperand(8, ops.value(8, i32(1)));
      default:
        throw new Error(`operand ${spec.text} has no place in a hot row`);
    }
  }

  /** Register number `reg` of ModRM as an address relative to the register file. */
  #regField(size: Size, modrm: Expr): Expr {
    if (size !== 8) return this.#fn.bind(op32('and', op32('shr_u', modrm, i32(1)), i32(0x1c)));
    const n = op32('and', op32('shr_u', modrm, i32(3)), i32(7));
    return this.#fn.bind(registerAddress(8, n));
  }

  #take(kind: 'u8' | 's8' | 'u16' | 'i32', bytes: number): Expr {
    const fn = this.#fn;
    const value = fn.bind(load(kind, fn.get(this.#l.ip)));
    fn.set(this.#l.ip, op32('add', fn.get(this.#l.ip), i32(bytes)));
    return value;
  }

  #immediate(spec: ParsedSpec, size: Size, ops: FastOps): AnyOperand {
    if (spec.imm === Imm.signedByte) return partialOperand(32, ops.value(32, this.#take('s8', 1)));
    if (spec.imm === Imm.byte) return partialOperand(8, ops.value(8, this.#take('u8', 1)));
    if (spec.imm === Imm.word) return partialOperand(16, ops.value(16, this.#take('u16', 2)));
    return partialOperand(size, ops.value(32, this.#take('i32', 4)));
  }
}
