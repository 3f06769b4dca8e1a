import {
  S,
  X87_ABSENT,
  X87_BYTES,
  X87_DOUBLE,
  X87_PENDING,
  X87_ROUNDING,
  X87_SINGLE,
  X87_UNMASKED,
} from '../state.ts';
import { type Extended, INDEFINITE } from './number.ts';
import { C1, type Environment, IE, STACK_FAULT } from './round.ts';

/** What the unit needs of the CPU: the words of the state block. */
export type Words = Int32Array;

const word = (s: Words, offset: number): number => s[offset >> 2] ?? 0;
const setWord = (s: Words, offset: number, value: number): void => {
  s[offset >> 2] = value;
};

const CR0_EM_TS = 0xc;
const ES = 0x80;
const BUSY = 0x8000;
const EXCEPTIONS = 0x3f;
const PRECISIONS = [24, 24, 53, 64] as const;

export const precisionOf = (fcw: number): number => PRECISIONS[(fcw >> 8) & 3] ?? 64;
export const roundingOf = (fcw: number): number => (fcw >> 10) & 3;

/** Bits of fcare from the three registers they depend on. */
export function careOf(cr0: number, fcw: number, fsw: number): number {
  const precision = precisionOf(fcw);
  const masked = (fcw & EXCEPTIONS) === EXCEPTIONS;
  return (
    (cr0 & CR0_EM_TS ? X87_ABSENT : 0) |
    (fsw & ~fcw & EXCEPTIONS ? X87_PENDING : 0) |
    (masked ? 0 : X87_UNMASKED) |
    (roundingOf(fcw) === 0 ? 0 : X87_ROUNDING) |
    (precision === 53 ? X87_DOUBLE : precision === 24 ? X87_SINGLE : 0)
  );
}

/** Control, status and registers of the FPU in the state block. */
export class X87Unit {
  readonly #s: Words;

  constructor(words: Words) {
    this.#s = words;
  }

  get control(): number {
    return word(this.#s, S.fcw);
  }
  set control(value: number) {
    setWord(this.#s, S.fcw, (value & 0x1f3f) | 0x40);
    this.#settle();
  }
  /** Status word with TOP. */
  get status(): number {
    return word(this.#s, S.fsw) | (this.top << 11);
  }
  set status(value: number) {
    setWord(this.#s, S.fsw, value & 0x477f);
    this.top = (value >> 11) & 7;
    this.#settle();
  }
  get top(): number {
    return word(this.#s, S.ftop);
  }
  set top(value: number) {
    setWord(this.#s, S.ftop, value & 7);
  }
  /** A bit for each physical register in use. */
  get tags(): number {
    return word(this.#s, S.ftags);
  }
  set tags(value: number) {
    setWord(this.#s, S.ftags, value & 0xff);
  }

  /** Recomputes ES, B and fcare. */
  #settle(): void {
    const s = this.#s;
    const fsw = word(s, S.fsw) & ~(ES | BUSY);
    const pending = fsw & ~word(s, S.fcw) & EXCEPTIONS;
    setWord(s, S.fsw, pending ? fsw | ES | BUSY : fsw);
    setWord(s, S.fcare, careOf(word(s, S.cr0), word(s, S.fcw), fsw));
  }

  #physical(i: number): number {
    return (this.top + i) & 7;
  }
  isEmpty(i: number): boolean {
    return (this.tags & (1 << this.#physical(i))) === 0;
  }
  /** ST(i) as it is, even when empty. */
  raw(i: number): Extended {
    return this.physical(this.#physical(i));
  }
  physical(n: number): Extended {
    const at = (S.x87 + n * X87_BYTES) >> 2;
    const [lo, hi, se] = [this.#s[at] ?? 0, this.#s[at + 1] ?? 0, this.#s[at + 2] ?? 0];
    const mantissa = (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0);
    return { sign: se & 0x8000 ? 1 : 0, exponent: se & 0x7fff, mantissa };
  }
  setPhysical(n: number, v: Extended): void {
    const at = (S.x87 + n * X87_BYTES) >> 2;
    this.#s[at] = Number(v.mantissa & 0xffffffffn);
    this.#s[at + 1] = Number(v.mantissa >> 32n);
    this.#s[at + 2] = (v.sign << 15) | v.exponent;
  }
  /** Writes ST(i) and marks it as in use. */
  set(i: number, v: Extended): void {
    const n = this.#physical(i);
    this.setPhysical(n, v);
    this.tags |= 1 << n;
  }
  free(i: number): void {
    this.tags &= ~(1 << this.#physical(i));
  }
  pop(): void {
    this.free(0);
    this.top = this.top + 1;
  }
  push(v: Extended): void {
    this.top = this.top - 1;
    this.set(0, v);
  }

  environment(): Environment {
    const fcw = this.control;
    return {
      rounding: roundingOf(fcw),
      precision: precisionOf(fcw),
      masks: fcw & EXCEPTIONS,
      flags: 0,
      up: false,
    };
  }

  /** Adds what an operation raised; `codes` of the condition codes in `mask` replace the old ones, C1 among them. */
  commit(env: Environment, codes: number = env.up ? C1 : 0, mask: number = C1): void {
    const s = this.#s;
    setWord(s, S.fsw, (word(s, S.fsw) & ~mask) | (codes & mask) | env.flags);
    if (env.flags & ~env.masks & EXCEPTIONS) this.#trapped();
    this.#settle();
  }

  /** The data pointer and the opcode are kept when an exception is unmasked. */
  #trapped(): void {
    const s = this.#s;
    const modrm = word(s, S.modrm);
    setWord(s, S.fop, ((word(s, S.opcode) & 7) << 8) | (modrm & 0xff));
    if (modrm < 0xc0) setWord(s, S.fdp, word(s, S.ea));
  }

  /** Stack underflow (or overflow). @returns whether it is masked, so that the indefinite number is the result */
  stackFault(env: Environment, overflow = false): boolean {
    env.flags |= IE | STACK_FAULT;
    env.up = overflow;
    return (env.masks & IE) !== 0;
  }

  /** ST(i), or the indefinite number under a masked stack fault, or null under an unmasked one. */
  read(env: Environment, i: number): Extended | null {
    if (!this.isEmpty(i)) return this.raw(i);
    return this.stackFault(env) ? INDEFINITE : null;
  }

  /** FNINIT. */
  reset(): void {
    const s = this.#s;
    for (const field of [S.fsw, S.ftop, S.ftags, S.fip, S.fcs, S.fdp, S.fds, S.fop]) setWord(s, field, 0);
    this.control = 0x37f;
  }
}
