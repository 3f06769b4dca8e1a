import { combine, complement, constant, type Expression, label, negate, operator } from './expression.ts';
import { type AsmOperand, type Bits, type MemoryOperand, POINTER_SIZES, register } from './operand.ts';
import { unquote } from './tokens.ts';

/** What a name stands for while a statement is parsed. */
export interface Names {
  /** Value of a constant defined so far. */
  constant(name: string): number | undefined;
  /** The label that a reference such as `1b` or `loop` means. */
  label(name: string): string;
}

interface Address {
  base: number | undefined;
  index: number | undefined;
  scale: number;
  displacement: Expression | undefined;
}

const ESP = 4;
const SCALES = [1, 2, 4, 8];

/** Reads the operands of one statement. Throws an Error with the reason; the assembler adds the line. */
export class Parser {
  readonly #tokens: readonly string[];
  readonly #names: Names;
  #at: number;

  constructor(tokens: readonly string[], start: number, names: Names) {
    this.#tokens = tokens;
    this.#at = start;
    this.#names = names;
  }

  get atEnd(): boolean {
    return this.#at >= this.#tokens.length;
  }

  peek(): string {
    return this.#tokens[this.#at] ?? '';
  }

  next(): string {
    const token = this.peek();
    this.#at++;
    return token;
  }

  accept(token: string): boolean {
    if (this.peek() !== token) return false;
    this.#at++;
    return true;
  }

  expect(token: string): void {
    if (!this.accept(token)) throw new Error(`expected ${token}, got ${this.peek() || 'the end'}`);
  }

  /** Everything up to the end, separated by commas. */
  list<T>(item: () => T): T[] {
    const items: T[] = [];
    if (this.atEnd) return items;
    do items.push(item());
    while (this.accept(','));
    if (!this.atEnd) throw new Error(`unexpected ${this.peek()}`);
    return items;
  }

  expression(minimum = 0): Expression {
    let left = this.#primary();
    for (;;) {
      const operation = operator(this.peek());
      if (!operation || operation.precedence <= minimum) return left;
      this.next();
      left = combine(left, this.expression(operation.precedence), operation);
    }
  }

  #primary(): Expression {
    const token = this.next();
    if (token === '-') return negate(this.#primary());
    if (token === '+') return this.#primary();
    if (token === '~') return complement(this.#primary());
    if (token === '(') {
      const inner = this.expression();
      this.expect(')');
      return inner;
    }
    if (token.startsWith("'")) return constant(unquote(token).charCodeAt(0));
    if (/^[0-9]+[bf]$/.test(token) && !/^0b[01]/i.test(token)) return label(this.#names.label(token));
    if (/^[0-9]/.test(token)) return constant(Number(token));
    if (!/^[A-Za-z_.$]/.test(token)) throw new Error(`expected a value, got ${token || 'the end'}`);
    if (register(token)) throw new Error(`a register cannot be here: ${token}`);
    const value = this.#names.constant(token);
    return value === undefined ? label(this.#names.label(token)) : constant(value);
  }

  operand(): AsmOperand {
    let bits: MemoryOperand['bits'];
    const size = POINTER_SIZES[this.peek().toLowerCase()];
    if (size !== undefined) {
      bits = size;
      this.next();
      this.accept('ptr');
      return this.#memory(bits);
    }
    if (this.accept('offset')) {
      return { kind: 'immediate', value: this.expression(), bareLabel: false };
    }
    const named = register(this.peek());
    if (named && this.#tokens[this.#at + 1] !== ':') {
      this.next();
      return named;
    }
    if (named || this.peek() === '[') return this.#memory(undefined);
    const value = this.expression();
    if (this.accept(':')) return { kind: 'far', selector: value, offset: this.expression() };
    return { kind: 'immediate', value, bareLabel: value.labels.length === 1 };
  }

  #memory(bits: MemoryOperand['bits']): MemoryOperand {
    let segment: number | undefined;
    const override = register(this.peek());
    if (override?.class === 'segment') {
      segment = override.number;
      this.next();
      this.expect(':');
    }
    this.expect('[');
    const address: Address = { base: undefined, index: undefined, scale: 0, displacement: undefined };
    do this.#term(address);
    while (this.accept('+') || this.peek() === '-');
    this.expect(']');
    return { kind: 'memory', bits, segment, ...address };
  }

  /** Adds one term of `[base + index*scale + displacement]`. */
  #term(address: Address): void {
    const named = register(this.peek());
    if (!named) {
      const value = this.#displacementTerm();
      const before = address.displacement;
      address.displacement = before ? combine(before, value, operator('+')!) : value;
      return;
    }
    this.next();
    if (named.class !== 'general' || (named.bits as Bits) !== 32)
      throw new Error('addresses use 32-bit registers');
    if (this.accept('*')) {
      const scale = SCALES.indexOf(Number(this.next()));
      if (scale < 0) throw new Error('a scale is 1, 2, 4 or 8');
      if (address.index !== undefined || named.number === ESP) throw new Error('not an index');
      address.index = named.number;
      address.scale = scale;
    } else if (address.base === undefined) {
      address.base = named.number;
    } else if (address.index === undefined) {
      // ESP can only be the base.
      const swap = named.number === ESP;
      address.index = swap ? address.base : named.number;
      if (swap) address.base = ESP;
      if (address.index === ESP) throw new Error('ESP is no index');
    } else {
      throw new Error('an address has at most two registers');
    }
  }

  /** A product or a difference's right side; sums are taken apart by the caller, as registers may follow. */
  #displacementTerm(): Expression {
    const sumPrecedence = operator('+')!.precedence;
    if (this.accept('-')) return negate(this.expression(sumPrecedence));
    return this.expression(sumPrecedence);
  }
}
