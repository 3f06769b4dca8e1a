import { tableIndex } from '../../src/interp/decode-table.ts';
import { Imm, parseSpec } from '../../src/operand-spec.ts';
import type { Row } from '../../src/row.ts';
import { ROWS } from '../../src/table/index.ts';

/** xorshift32: programs are pure functions of their seed. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = Math.imul(seed + 1, 0x9e3779b1) | 1;
  }
  u32(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return x >>> 0;
  }
  below(n: number): number {
    return this.u32() % n;
  }
  chance(percent: number): boolean {
    return this.below(100) < percent;
  }
}

/** Where programs lie; the loop counter is the word before. */
export const PROGRAM_AT = 0x3f80;
export const COUNTER_AT = 0x2ff0;

/** Rows that leave straight code or depend on where the program lies are emitted by hand, if at all. */
const SPECIAL = /^(J|CALL|RET|LOOP|INT|IRET|HLT|UD|ENTER|SYS|ESC|WAIT)/;
const PLAIN: readonly Row[] = ROWS.filter(
  (r) => !SPECIAL.test(r.mnemonic) && (r.hot || r.unrecorded === undefined),
);
const HOT: readonly Row[] = PLAIN.filter((r) => r.hot);

function immediate(random: Random, form: number, bytes: number[], wide: boolean): void {
  const count = form === Imm.byte || form === Imm.signedByte ? 1 : form === Imm.word || !wide ? 2 : 4;
  const small = random.chance(50);
  for (let i = 0; i < count; i++) bytes.push(small ? (i === 0 ? random.below(64) : 0) : random.below(256));
}

function memoryOperand(random: Random, reg: number): number[] {
  const mod = random.below(3);
  const rm = random.below(8);
  const bytes = [(mod << 6) | (reg << 3) | rm];
  const sib = rm === 4 ? random.below(256) : -1;
  if (sib >= 0) bytes.push(sib);
  const wide = mod === 2 || (mod === 0 && (rm === 5 || (sib & 7) === 5));
  if (mod === 1) bytes.push(random.below(256));
  else if (wide) bytes.push(random.below(256), random.below(64), 0, 0);
  return bytes;
}

function instruction(random: Random, row: Row): number[] {
  const specs = row.operands.map(parseSpec);
  const bytes: number[] = [];
  const wide = !random.chance(8);
  if (!wide) bytes.push(0x66);
  if (random.chance(2)) bytes.push([0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x67][random.below(7)] ?? 0x26);
  if (row.rep && random.chance(50)) bytes.push(random.chance(50) ? 0xf3 : 0xf2);
  if (row.prefix) bytes.push(row.prefix);
  const index = tableIndex(row.opcode);
  if (index > 255) bytes.push(0x0f);
  bytes.push(index & 0xff);
  if (specs.some((s) => s.modrm) || row.ext !== undefined || row.mod !== undefined) {
    const reg = row.ext ?? random.below(8);
    const register = row.mod === 'reg' || (row.mod !== 'mem' && random.chance(55));
    bytes.push(...(register ? [0xc0 | (reg << 3) | random.below(8)] : memoryOperand(random, reg)));
  }
  for (const { imm } of specs)
    if (imm !== Imm.none)
      immediate(random, imm === Imm.moffs ? Imm.operand : imm, bytes, wide || imm === Imm.moffs);
  return bytes;
}

/** Bytes at the end of a program that count its rounds. */
export const LOOP_END = 14;

/** What both engines start from. */
export interface Program {
  readonly code: readonly number[];
  readonly registers: readonly number[];
  /** Chooses what memory holds. */
  readonly fill: number;
  /** How often branch targets are reached before they are hot. */
  readonly patience: number;
}

/** A loop of `count` random instructions with forward branches, calls and returns among them, that runs `times` times. */
export function randomProgram(random: Random, count: number, times: number): number[] {
  const code: number[] = [];
  const word = (n: number): number[] => [n & 0xff, (n >>> 8) & 0xff, (n >>> 16) & 0xff, n >>> 24];
  code.push(0xc7, 0x05, ...word(COUNTER_AT), ...word(times));
  const top = code.length;
  const pending: { at: number; left: number }[] = [];
  for (let i = 0; i < count; i++) {
    for (const jump of pending) if (jump.left-- === 0) code[jump.at] = code.length - jump.at - 1;
    if (random.chance(12)) {
      code.push(0x70 | random.below(16), 0);
      pending.push({ at: code.length - 1, left: random.below(5) });
    } else if (random.chance(3)) {
      // call over a return: call +1; jmp over; target: ret
      code.push(0xe8, 2, 0, 0, 0, 0xeb, 1, 0xc3);
    } else if (random.chance(10)) {
      code.push(0xb8 | random.below(8), ...word(random.chance(50) ? random.below(0x10000) : random.u32()));
    } else {
      const rows = random.chance(75) ? HOT : PLAIN;
      code.push(...instruction(random, rows[random.below(rows.length)]!));
    }
  }
  for (const jump of pending) if (jump.left >= 0) code[jump.at] = Math.min(code.length - jump.at - 1, 127);
  code.push(0xff, 0x0d, ...word(COUNTER_AT), 0x0f, 0x85);
  code.push(...word(top - (code.length + 4)), 0xcd, 0x80);
  return code;
}
