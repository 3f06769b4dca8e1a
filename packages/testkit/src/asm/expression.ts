/** Where symbols get their values; undefined while a label has not been placed. */
export type Lookup = (name: string) => number | undefined;

/** An integer expression over constants and labels. */
export interface Expression {
  /** The value; undefined when a symbol in it has none. */
  evaluate(lookup: Lookup): number | undefined;
  /** Labels in it: its value depends on where code lies. */
  readonly labels: readonly string[];
}

export function constant(value: number): Expression {
  return { evaluate: () => value, labels: [] };
}

export function label(name: string): Expression {
  return { evaluate: (lookup) => lookup(name), labels: [name] };
}

function unary(a: Expression, apply: (a: number) => number): Expression {
  return {
    evaluate: (lookup) => {
      const value = a.evaluate(lookup);
      return value === undefined ? undefined : apply(value);
    },
    labels: a.labels,
  };
}

function binary(a: Expression, b: Expression, apply: (a: number, b: number) => number): Expression {
  return {
    evaluate: (lookup) => {
      const [left, right] = [a.evaluate(lookup), b.evaluate(lookup)];
      return left === undefined || right === undefined ? undefined : apply(left, right);
    },
    labels: [...a.labels, ...b.labels],
  };
}

export function negate(a: Expression): Expression {
  return unary(a, (value) => -value);
}

export function complement(a: Expression): Expression {
  return unary(a, (value) => ~value);
}

interface Operator {
  precedence: number;
  apply: (a: number, b: number) => number;
}

// C's precedences.
const OPERATORS: Readonly<Record<string, Operator>> = {
  '*': { precedence: 6, apply: (a, b) => a * b },
  '/': { precedence: 6, apply: (a, b) => Math.trunc(a / b) },
  '+': { precedence: 5, apply: (a, b) => a + b },
  '-': { precedence: 5, apply: (a, b) => a - b },
  '<<': { precedence: 4, apply: (a, b) => (a << b) >>> 0 },
  '>>': { precedence: 4, apply: (a, b) => a >>> b },
  '&': { precedence: 3, apply: (a, b) => (a & b) >>> 0 },
  '^': { precedence: 2, apply: (a, b) => (a ^ b) >>> 0 },
  '|': { precedence: 1, apply: (a, b) => (a | b) >>> 0 },
};

export function operator(token: string): Operator | undefined {
  return Object.hasOwn(OPERATORS, token) ? OPERATORS[token] : undefined;
}

export function combine(a: Expression, b: Expression, operation: Operator): Expression {
  return binary(a, b, operation.apply);
}
