import { PROGRAM_AT } from './layout.ts';
import type { Random } from './random.ts';

/** A place in a program that may not be known yet. */
export interface Label {
  at: number;
}

interface Fixup {
  readonly at: number;
  readonly bytes: 1 | 4;
  readonly relative: boolean;
  readonly label: Label;
  readonly addend: number;
}

export const little = (n: number): number[] => [n & 0xff, (n >>> 8) & 0xff, (n >>> 16) & 0xff, n >>> 24];

/** Puts the bytes of a program together. */
export class Assembler {
  readonly code: number[] = [];
  /** Offsets of instructions that nothing depends on. */
  readonly spare: Set<number> = new Set();
  /** Instructions so far, those between the parts of a call or loop not counted. */
  instructions = 0;
  /** Offsets of constants that may change at any time. */
  readonly constants: number[] = [];
  readonly #fixups: Fixup[] = [];
  readonly #patched: { readonly at: number; readonly alias: number; readonly choice: number }[] = [];

  label(): Label {
    return { at: -1 };
  }
  place(label: Label): void {
    label.at = this.code.length;
  }
  here(): Label {
    return { at: this.code.length };
  }
  emit(...bytes: readonly number[]): void {
    this.code.push(...bytes);
  }
  /** An instruction that may be replaced by NOPs. */
  emitSpare(bytes: readonly number[]): void {
    this.instructions++;
    this.spare.add(this.code.length);
    this.code.push(...bytes);
  }
  word(n: number): void {
    this.code.push(...little(n));
  }
  absolute(label: Label, addend = 0): void {
    this.#fix(4, false, label, addend);
  }
  relative(label: Label): void {
    this.#fix(4, true, label, 0);
  }
  /** A byte; a label that turns out to be too far is not gone to. */
  near(label: Label): void {
    this.#fix(1, true, label, 0);
  }
  #fix(bytes: 1 | 4, relative: boolean, label: Label, addend: number): void {
    this.#fixups.push({ at: this.code.length, bytes, relative, label, addend });
    for (let i = 0; i < bytes; i++) this.code.push(0);
  }
  /** MOV of a constant to a register; the constant may be changed while the program runs. */
  constant(register: number, value: number): void {
    this.instructions++;
    this.spare.add(this.code.length);
    this.emit(0xb8 | register);
    this.constants.push(this.code.length);
    this.word(value);
  }
  /** The address of one of the program's constants, as seen through an alias. */
  constantAddress(random: Random, alias: number): void {
    this.#patched.push({ at: this.code.length, alias, choice: random.u32() });
    this.word(0);
  }

  finish(): readonly number[] {
    for (const { at, bytes, relative, label, addend } of this.#fixups) {
      const value = relative ? label.at - at - bytes : label.at + PROGRAM_AT + addend;
      const tooFar = bytes === 1 && (value > 127 || value < -128);
      this.#set(at, bytes, label.at < 0 || tooFar ? 0 : value);
    }
    for (const { at, alias, choice } of this.#patched) {
      const constant = this.constants[choice % this.constants.length] ?? 0;
      this.#set(at, 4, PROGRAM_AT + constant + alias);
    }
    return this.code;
  }
  #set(at: number, bytes: number, value: number): void {
    for (const [i, byte] of little(value).slice(0, bytes).entries()) this.code[at + i] = byte;
  }
}
