import { type Encoded, type Encodings, encodeInstruction } from './encode.ts';
import type { Expression, Lookup } from './expression.ts';
import { instructionForms, PREFIXES } from './forms.ts';
import type { Field } from './match.ts';
import { Parser } from './parser.ts';
import { AssemblyError } from './source-error.ts';
import { statements, tokenize, unquote } from './tokens.ts';

/** What assembling gives. */
export interface Assembled {
  readonly origin: number;
  readonly bytes: Uint8Array;
  /** Addresses of labels and values of constants. */
  readonly symbols: ReadonlyMap<string, number>;
  /** Address of a label; throws when there is none. */
  address(label: string): number;
}

/** Where the code will lie, and what names it may use. */
export interface AssembleOptions {
  /** Linear address of the first byte; 0 when absent. */
  readonly origin?: number;
  /** Constants that the source may use. */
  readonly symbols?: Readonly<Record<string, number>>;
}

/** A piece of the output; its size may depend on where it lies. */
interface Piece {
  readonly line: number;
  readonly text: string;
  /** Labels that stand before it. */
  readonly labels: string[];
  size(address: number): number;
  emit(address: number, lookup: Lookup, out: number[]): void;
  /** Chooses the long encoding when the short one does not reach; true when it did. */
  grow?(address: number, lookup: Lookup): boolean;
}

const DATA_BYTES: Readonly<Record<string, 1 | 2 | 4>> = {
  '.byte': 1,
  '.word': 2,
  '.short': 2,
  '.long': 4,
  '.int': 4,
};
const PADDING = 0x90;

function emitValue(value: number, field: Field, out: number[]): void {
  const bits = field.bytes * 8;
  const high = field.relative ? 2 ** (bits - 1) : 2 ** bits;
  const wrapped = field.relative ? value | 0 : value;
  if (wrapped < -(2 ** (bits - 1)) || wrapped >= high)
    throw new Error(`${value} does not fit in ${bits} bits`);
  for (let i = 0; i < field.bytes; i++) out.push((wrapped >> (8 * i)) & 0xff);
}

function resolve(expression: Expression, lookup: Lookup): number {
  const value = expression.evaluate(lookup);
  if (value !== undefined) return value;
  const missing = expression.labels.find((name) => lookup(name) === undefined);
  throw new Error(`no such label: ${missing?.split('#')[0]}`);
}

const encodedSize = ({ head, fields }: Encoded): number =>
  head.length + fields.reduce((sum, field) => sum + field.bytes, 0);

/** One assembly: reads the source once, lets jumps grow until all reach, then writes the bytes. */
class Assembly {
  readonly #forms = instructionForms();
  readonly #constants: Map<string, number>;
  readonly #pieces: Piece[] = [];
  /** How often each numeric label has been defined. */
  readonly #numeric = new Map<string, number>();
  readonly #defined = new Set<string>();
  #labels: string[] = [];
  #line = 0;
  #text = '';

  constructor(symbols: Readonly<Record<string, number>>) {
    this.#constants = new Map(Object.entries(symbols));
  }

  read(source: string): void {
    for (const [i, line] of source.split('\n').entries()) {
      this.#line = i + 1;
      for (const text of statements(line)) {
        this.#text = text;
        this.#guard(this.#line, text, () => this.#statement(text));
      }
    }
    this.#add({ size: () => 0, emit: () => {} });
  }

  write(origin: number): Assembled {
    let addresses = this.#place(origin);
    while (this.#grow(addresses)) addresses = this.#place(origin);
    const { starts, labels } = addresses;
    const out: number[] = [];
    for (const [i, piece] of this.#pieces.entries()) {
      this.#guard(piece.line, piece.text, () => {
        piece.emit(starts[i]!, (name) => (name === '.' ? starts[i] : labels.get(name)), out);
      });
    }
    const named = [...labels].filter(([name]) => !name.includes('#'));
    const symbols = new Map([...this.#constants, ...named]);
    const address = (label: string): number => {
      const value = labels.get(label);
      if (value === undefined) throw new Error(`no such label: ${label}`);
      return value;
    };
    return { origin, bytes: Uint8Array.from(out), symbols, address };
  }

  #guard(line: number, text: string, action: () => void): void {
    try {
      action();
    } catch (error) {
      throw new AssemblyError((error as Error).message, line, text);
    }
  }

  #add(piece: Pick<Piece, 'size' | 'emit' | 'grow'>): void {
    this.#pieces.push({ ...piece, line: this.#line, text: this.#text, labels: this.#labels });
    this.#labels = [];
  }

  #place(origin: number): { starts: number[]; labels: Map<string, number> } {
    const labels = new Map<string, number>();
    let address = origin;
    const starts = this.#pieces.map((piece) => {
      const start = address;
      for (const name of piece.labels) labels.set(name, start);
      address += piece.size(start);
      return start;
    });
    return { starts, labels };
  }

  #grow({ starts, labels }: { starts: number[]; labels: Map<string, number> }): boolean {
    let grown = false;
    for (const [i, piece] of this.#pieces.entries()) {
      if (piece.grow?.(starts[i]!, (name) => (name === '.' ? starts[i] : labels.get(name)))) grown = true;
    }
    return grown;
  }

  #statement(text: string): void {
    const tokens = tokenize(text);
    if (!tokens) throw new Error('not a statement');
    let at = 0;
    while (tokens[at + 1] === ':') {
      this.#define(tokens[at]!);
      at += 2;
    }
    if (at === tokens.length) return;
    const parser = new Parser(tokens, at + 1, {
      constant: (name) => this.#constants.get(name),
      label: (name) => this.#labelName(name),
    });
    if (parser.peek() === '=') {
      parser.next();
      this.#constant(tokens[at]!, parser.expression());
    } else if (tokens[at]!.startsWith('.')) {
      this.#directive(tokens[at]!, parser);
    } else {
      this.#instruction(tokens[at]!, parser);
    }
    if (!parser.atEnd) throw new Error(`unexpected ${parser.peek()}`);
  }

  #define(name: string): void {
    if (/^[0-9]+$/.test(name)) {
      const count = (this.#numeric.get(name) ?? 0) + 1;
      this.#numeric.set(name, count);
      this.#labels.push(`${name}#${count}`);
      return;
    }
    if (!/^[A-Za-z_.$][\w.$]*$/.test(name)) throw new Error(`not a label: ${name}`);
    if (this.#defined.has(name) || this.#constants.has(name)) throw new Error(`defined twice: ${name}`);
    this.#defined.add(name);
    this.#labels.push(name);
  }

  #labelName(name: string): string {
    const numeric = /^([0-9]+)([bf])$/.exec(name);
    if (!numeric) return name;
    const count = this.#numeric.get(numeric[1]!) ?? 0;
    return `${numeric[1]}#${numeric[2] === 'b' ? count : count + 1}`;
  }

  #constant(name: string, expression: Expression): void {
    const value = expression.evaluate(() => undefined);
    if (value === undefined) throw new Error('a constant cannot depend on labels');
    this.#constants.set(name, value);
  }

  #directive(name: string, parser: Parser): void {
    const bytes = DATA_BYTES[name];
    if (bytes)
      return this.#data(
        parser.list(() => parser.expression()),
        bytes,
      );
    if (name === '.ascii' || name === '.asciz') {
      const text = parser
        .list(() => unquote(parser.next()))
        .map((part) => (name === '.asciz' ? `${part}\0` : part));
      const encoded = new TextEncoder().encode(text.join(''));
      return this.#add({ size: () => encoded.length, emit: (_, __, out) => out.push(...encoded) });
    }
    if (name === '.equ') {
      const symbol = parser.next();
      parser.expect(',');
      return this.#constant(symbol, parser.expression());
    }
    const [amount, fill] = parser.list(() => resolve(parser.expression(), () => undefined)) as [
      number,
      number?,
    ];
    if (name === '.skip' || name === '.zero') return this.#fill(() => amount, fill ?? 0);
    if (name === '.balign') return this.#fill((address) => -address & (amount - 1), fill ?? PADDING);
    throw new Error(`no such directive: ${name}`);
  }

  #data(values: readonly Expression[], bytes: 1 | 2 | 4): void {
    this.#add({
      size: () => values.length * bytes,
      emit: (_, lookup, out) => {
        for (const value of values) {
          emitValue(resolve(value, lookup), { bytes, value, relative: false }, out);
        }
      },
    });
  }

  #fill(size: (address: number) => number, byte: number): void {
    this.#add({
      size,
      emit: (address, _, out) => {
        for (let i = size(address); i > 0; i--) out.push(byte & 0xff);
      },
    });
  }

  #instruction(first: string, parser: Parser): void {
    const prefixes: string[] = [];
    let mnemonic = first.toLowerCase();
    while (Object.hasOwn(PREFIXES, mnemonic)) {
      prefixes.push(mnemonic);
      mnemonic = parser.next().toLowerCase();
    }
    const forms = this.#forms.get(mnemonic);
    if (!forms)
      throw new Error(mnemonic ? `no such instruction: ${mnemonic}` : 'a prefix without instruction');
    const operands = parser.list(() => parser.operand());
    // `imul r, imm` means `imul r, r, imm`.
    if (mnemonic === 'imul' && operands.length === 2 && operands[1]!.kind === 'immediate')
      operands.splice(1, 0, operands[0]!);
    this.#add(instructionPiece(encodeInstruction(forms, operands, prefixes)));
  }
}

function instructionPiece(encodings: Encodings): Pick<Piece, 'size' | 'emit' | 'grow'> {
  let chosen = encodings[0];
  const emit = (address: number, lookup: Lookup, out: number[]): void => {
    out.push(...chosen.head);
    const end = address + encodedSize(chosen);
    for (const field of chosen.fields) {
      emitValue(resolve(field.value, lookup) - (field.relative ? end : 0), field, out);
    }
  };
  const grow = (address: number, lookup: Lookup): boolean => {
    const target = chosen.fields[0]!.value.evaluate(lookup);
    const distance = target === undefined ? 0 : target - (address + encodedSize(chosen));
    if (chosen === encodings[1] || (distance >= -128 && distance <= 127)) return false;
    chosen = encodings[1]!;
    return true;
  };
  return { size: () => encodedSize(chosen), emit, grow: encodings.length === 2 ? grow : undefined };
}

/**
 * Assembles i386 code in the GNU assembler's Intel syntax (`.intel_syntax noprefix`), a subset: 32-bit addressing, the
 * integer instructions, `.byte .word .long .ascii .asciz .skip .balign .equ`, numeric labels (`1b`, `2f`). The bytes are
 * those that the GNU assembler gives. A label is an address (`[label]`), a value (`offset label`) or a jump's target.
 * @throws AssemblyError with line and reason
 */
export function assemble(source: string, options: AssembleOptions = {}): Assembled {
  const assembly = new Assembly(options.symbols ?? {});
  assembly.read(source);
  return assembly.write(options.origin ?? 0);
}
