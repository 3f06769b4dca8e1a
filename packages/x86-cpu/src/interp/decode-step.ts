import { Seg } from '../names.ts';
import { Imm } from '../operand-spec.ts';
import { CODE_TLB, CODE_TLB_ENTRIES, DECODE_TABLE, GROUP_TABLE, S } from '../state.ts';
import type { Expr } from '../wasm/expr.ts';
import { call, callIndirect, I32, i32, load, op32, select } from '../wasm/expr.ts';
import type { FunctionBuilder, Label } from '../wasm/function.ts';
import type { ModuleBuilder } from '../wasm/module.ts';
import { AddressDecoder } from './decode-address.ts';
import {
  DECODE_GROUP,
  DECODE_IMM_SHIFT,
  DECODE_MODRM,
  DECODE_REGISTER_RM,
  LOCKABLE,
} from './decode-table.ts';
import type { Runtime } from './runtime.ts';
import { STATUS_FAULT } from './runtime.ts';
import { segField } from './segment-fields.ts';

const MAX_INSTRUCTION_BYTES = 15;
/** Bit 14 of a segment's attributes: 32-bit default sizes. */
const ATTR_DB = 0x4000;

const at = (offset: number): Expr => load('i32', i32(0), offset);
const and = (a: Expr, b: Expr): Expr => op32('and', a, b);
const add = (a: Expr, b: Expr): Expr => op32('add', a, b);
const eq = (a: Expr, b: number): Expr => op32('eq', a, i32(b));

/** Code TLB key of the page of `linear` at the current privilege, and the slot where it would be. */
export function codeKey(linear: Expr): Expr {
  const user = op32('shl', eq(at(S.cpl), 3), i32(1));
  return op32('or', and(linear, i32(-4096)), op32('or', user, i32(1)));
}
export function codeSlot(linear: Expr): Expr {
  const index = and(op32('shr_u', linear, i32(12)), i32(CODE_TLB_ENTRIES - 1));
  return op32('shl', index, i32(3));
}

/** Emits `step`: decodes the instruction at CS:EIP into the state block, runs its row, commits EIP and the budget. */
export class StepEmitter {
  readonly #fn: FunctionBuilder;
  readonly #rt: Runtime;
  readonly #rowType: number;
  readonly #rowTable: number;
  readonly #ip: number;
  readonly #start: number;
  readonly #op16: number;
  readonly #addrMask: number;
  readonly #seg: number;
  readonly #rep: number;
  readonly #lock: number;
  readonly #has66: number;
  readonly #opcode: number;
  readonly #modrm: number;
  readonly #ea: number;

  /** @param rowTable number of the table that holds the rows' functions */
  constructor(module: ModuleBuilder, rt: Runtime, rowTable: number) {
    this.#rowTable = rowTable;
    const fn = module.function([], [I32], 'step');
    this.#fn = fn;
    this.#rt = rt;
    this.#rowType = module.type([], [I32]);
    this.#ip = fn.local();
    this.#start = fn.local();
    this.#op16 = fn.local();
    this.#addrMask = fn.local();
    this.#seg = fn.local();
    this.#rep = fn.local();
    this.#lock = fn.local();
    this.#has66 = fn.local();
    this.#opcode = fn.local();
    this.#modrm = fn.local();
    this.#ea = fn.local();
  }

  #get(index: number): Expr {
    return this.#fn.get(index);
  }
  #set(index: number, v: Expr): void {
    this.#fn.set(index, v);
  }
  #state(offset: number, v: Expr): void {
    this.#fn.store('i32', i32(0), v, offset);
  }
  #fault(vector: number, errorCode: number): void {
    this.#state(S.vector, i32(vector));
    this.#state(S.errorCode, i32(errorCode));
    this.#fn.ret(i32(STATUS_FAULT));
  }
  #advance(n: number): void {
    this.#set(this.#ip, add(this.#get(this.#ip), i32(n)));
  }

  emit(): number {
    this.#locate();
    this.#prefixes();
    this.#opcodeByte();
    const entry = this.#fn.bind(op32('shl', this.#get(this.#opcode), i32(3)));
    const flags = this.#fn.local();
    this.#set(flags, load('i32', entry, DECODE_TABLE));
    const row = this.#fn.local();
    this.#set(row, load('i32', entry, DECODE_TABLE + 4));
    this.#fn.if(and(this.#get(flags), i32(DECODE_MODRM)), () => this.#modrmByte(this.#get(flags)));
    this.#fn.if(and(this.#get(flags), i32(DECODE_GROUP)), () => this.#group(flags, row));
    this.#immediates(and(op32('shr_u', this.#get(flags), i32(DECODE_IMM_SHIFT)), i32(15)));
    this.#checkLength();
    this.#fn.if(op32('eqz', this.#get(row)), () => this.#fault(6, -1));
    this.#checkLock(this.#get(flags));
    this.#publish();
    this.#execute(this.#get(row));
    return this.#fn.index;
  }

  /** Host address of the instruction bytes: through the code TLB, or from TypeScript on a miss or near a page's end. */
  #locate(): void {
    const fn = this.#fn;
    const linear = fn.bind(add(at(segField(Seg.CS, 'base')), at(S.eip)));
    const slot = fn.bind(codeSlot(linear));
    const hit = and(
      op32('eq', load('i32', slot, CODE_TLB), codeKey(linear)),
      op32('le_u', and(linear, i32(0xfff)), i32(0x1000 - 16)),
    );
    fn.if(
      hit,
      () => {
        this.#set(this.#ip, add(load('i32', slot, CODE_TLB + 4), and(linear, i32(0xfff))));
        this.#state(S.avail, i32(16));
      },
      () => {
        this.#set(this.#ip, call(this.#rt.fetch, [linear]));
        fn.if(op32('eqz', this.#get(this.#ip)), () => fn.ret(i32(STATUS_FAULT)));
      },
    );
    this.#set(this.#start, this.#get(this.#ip));
  }

  #prefixes(): void {
    const fn = this.#fn;
    const code16 = fn.bind(op32('eqz', and(at(segField(Seg.CS, 'attr')), i32(ATTR_DB))));
    const address16 = fn.local();
    this.#set(this.#op16, code16);
    this.#set(address16, code16);
    this.#set(this.#seg, i32(-1));
    for (const index of [this.#rep, this.#lock, this.#has66]) this.#set(index, i32(0));
    const effects: [number, () => void][] = [
      [0x26, () => this.#set(this.#seg, i32(Seg.ES))],
      [0x2e, () => this.#set(this.#seg, i32(Seg.CS))],
      [0x36, () => this.#set(this.#seg, i32(Seg.SS))],
      [0x3e, () => this.#set(this.#seg, i32(Seg.DS))],
      [0x64, () => this.#set(this.#seg, i32(Seg.FS))],
      [0x65, () => this.#set(this.#seg, i32(Seg.GS))],
      [
        0x66,
        () => {
          this.#set(this.#op16, op32('xor', code16, i32(1)));
          this.#set(this.#has66, i32(1));
        },
      ],
      [0x67, () => this.#set(address16, op32('xor', code16, i32(1)))],
      [0xf0, () => this.#set(this.#lock, i32(1))],
      [0xf2, () => this.#set(this.#rep, i32(0xf2))],
      [0xf3, () => this.#set(this.#rep, i32(0xf3))],
    ];
    fn.block((done) =>
      fn.loop((again) => {
        this.#set(this.#opcode, load('u8', this.#get(this.#ip)));
        const labels: Label[] = [];
        const targets: Label[] = Array.from({ length: 256 }, () => done);
        for (const [byte] of effects) {
          const label = fn.open();
          labels.push(label);
          targets[byte] = label;
        }
        fn.brTable(this.#get(this.#opcode), targets, done);
        for (const [, effect] of [...effects].reverse()) {
          fn.close();
          effect();
          this.#advance(1);
          const length = op32('sub', this.#get(this.#ip), this.#get(this.#start));
          fn.if(op32('lt_u', length, i32(MAX_INSTRUCTION_BYTES)), () => fn.br(again));
          this.#fault(13, 0);
        }
      }),
    );
    this.#set(this.#addrMask, select(this.#get(address16), i32(0xffff), i32(-1)));
  }

  #opcodeByte(): void {
    this.#advance(1);
    this.#fn.if(eq(this.#get(this.#opcode), 0x0f), () => {
      this.#set(this.#opcode, add(load('u8', this.#get(this.#ip)), i32(256)));
      this.#advance(1);
      this.#thirdByte(0x38, 512);
      this.#thirdByte(0x3a, 768);
    });
  }

  #thirdByte(second: number, map: number): void {
    this.#fn.if(eq(this.#get(this.#opcode), 256 + second), () => {
      this.#set(this.#opcode, add(load('u8', this.#get(this.#ip)), i32(map)));
      this.#advance(1);
    });
  }

  #modrmByte(flags: Expr): void {
    this.#set(this.#modrm, load('u8', this.#get(this.#ip)));
    this.#advance(1);
    const memory = op32('lt_u', this.#get(this.#modrm), i32(0xc0));
    this.#fn.if(and(memory, op32('eqz', and(flags, i32(DECODE_REGISTER_RM)))), () => {
      const stackBase = this.#fn.local();
      this.#set(stackBase, i32(0));
      const address = new AddressDecoder(this.#fn, {
        ip: this.#ip,
        modrm: this.#modrm,
        ea: this.#ea,
        stackBase,
      });
      this.#fn.if(
        eq(this.#get(this.#addrMask), -1),
        () => address.bits32(this.#get(this.#op16), flags),
        () => address.bits16(),
      );
      this.#fn.if(eq(this.#get(this.#seg), -1), () =>
        this.#set(this.#seg, select(this.#get(stackBase), i32(Seg.SS), i32(Seg.DS))),
      );
    });
  }

  #group(flags: number, row: number): void {
    const fn = this.#fn;
    const prefix = fn.local();
    this.#set(prefix, this.#get(this.#has66));
    fn.if(this.#get(this.#rep), () => this.#set(prefix, op32('sub', i32(0xf5), this.#get(this.#rep))));
    const reg = and(op32('shr_u', this.#get(this.#modrm), i32(3)), i32(7));
    const mod3 = op32('shl', op32('le_u', i32(0xc0), this.#get(this.#modrm)), i32(3));
    const sub = op32('or', op32('or', reg, mod3), op32('shl', this.#get(prefix), i32(4)));
    const slot = fn.bind(op32('shl', add(this.#get(row), sub), i32(3)));
    this.#set(row, load('i32', slot, GROUP_TABLE));
    const entry = fn.bind(load('i32', slot, GROUP_TABLE + 4));
    const imm = op32('shl', and(entry, i32(15)), i32(DECODE_IMM_SHIFT));
    this.#set(flags, op32('or', imm, and(entry, i32(LOCKABLE))));
  }

  #immediates(form: Expr): void {
    const fn = this.#fn;
    const forms: [number, () => void][] = [
      [Imm.byte, () => this.#imm('u8', 1)],
      [Imm.signedByte, () => this.#imm('s8', 1)],
      [Imm.word, () => this.#imm('u16', 2)],
      [Imm.operand, () => this.#operandSized()],
      [
        Imm.moffs,
        () =>
          fn.if(
            eq(this.#get(this.#addrMask), -1),
            () => this.#imm('i32', 4),
            () => this.#imm('u16', 2),
          ),
      ],
      [
        Imm.wordByte,
        () => {
          this.#imm('u16', 2);
          this.#imm('u8', 1, S.imm2);
        },
      ],
      [
        Imm.far,
        () => {
          fn.if(
            this.#get(this.#op16),
            () => this.#imm('u16', 2),
            () => this.#imm('i32', 4),
          );
          this.#imm('u16', 2, S.imm2);
        },
      ],
    ];
    fn.block((done) => {
      const targets: Label[] = [done];
      for (const [n] of [...forms].reverse()) targets[n] = fn.open();
      fn.brTable(form, targets, done);
      for (const [, emit] of forms) {
        fn.close();
        emit();
        fn.br(done);
      }
    });
  }

  /** A 16-bit immediate is sign-extended: relative targets want it, and stores truncate. */
  #operandSized(): void {
    this.#fn.if(
      this.#get(this.#op16),
      () => this.#imm('s16', 2),
      () => this.#imm('i32', 4),
    );
  }

  #imm(kind: 'u8' | 's8' | 'u16' | 's16' | 'i32', bytes: number, field: number = S.imm): void {
    this.#state(field, load(kind, this.#get(this.#ip)));
    this.#advance(bytes);
  }

  /** Over-long instructions and those beyond the CS limit raise #GP, those whose tail is not mapped #PF. */
  #checkLength(): void {
    const fn = this.#fn;
    const length = fn.bind(op32('sub', this.#get(this.#ip), this.#get(this.#start)));
    fn.if(op32('lt_u', at(S.avail), length), () =>
      fn.if(
        op32('lt_u', i32(MAX_INSTRUCTION_BYTES), length),
        () => this.#fault(13, 0),
        () => fn.ret(i32(STATUS_FAULT)),
      ),
    );
    fn.if(op32('lt_u', i32(MAX_INSTRUCTION_BYTES), length), () => this.#fault(13, 0));
    const limit = at(segField(Seg.CS, 'high'));
    const last = op32('sub', length, i32(1));
    const room = op32('sub', limit, at(S.eip));
    fn.if(op32('or', op32('lt_u', limit, at(S.eip)), op32('lt_u', room, last)), () => this.#fault(13, 0));
    const next = add(at(S.eip), length);
    const wrap = select(and(at(segField(Seg.CS, 'attr')), i32(ATTR_DB)), i32(-1), i32(0xffff));
    this.#state(S.next, and(next, wrap));
  }

  /** LOCK needs a lockable row and a memory destination. */
  #checkLock(flags: Expr): void {
    const allowed = and(
      op32('ne', and(flags, i32(LOCKABLE)), i32(0)),
      op32('lt_u', this.#get(this.#modrm), i32(0xc0)),
    );
    this.#fn.if(and(this.#get(this.#lock), op32('eqz', allowed)), () => this.#fault(6, -1));
  }

  #publish(): void {
    this.#state(S.opcode, this.#get(this.#opcode));
    this.#state(S.modrm, this.#get(this.#modrm));
    this.#state(S.ea, this.#get(this.#ea));
    this.#state(S.dataSeg, select(eq(this.#get(this.#seg), -1), i32(Seg.DS), this.#get(this.#seg)));
    this.#state(S.op16, this.#get(this.#op16));
    this.#state(S.addrMask, this.#get(this.#addrMask));
    this.#state(S.rep, this.#get(this.#rep));
  }

  #execute(row: Expr): void {
    const fn = this.#fn;
    const index = op32('or', op32('shl', op32('sub', row, i32(1)), i32(1)), this.#get(this.#op16));
    const status = fn.bind(callIndirect(this.#rowType, index, [], this.#rowTable));
    fn.if(op32('ne', status, i32(STATUS_FAULT)), () => {
      this.#state(S.eip, at(S.next));
      this.#state(S.budget, op32('sub', at(S.budget), i32(1)));
    });
    fn.ret(status);
    fn.unreachable();
  }
}
