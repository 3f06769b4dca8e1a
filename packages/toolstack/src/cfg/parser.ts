import { fail, ok, quote, type Result } from '../result.ts';
import { type SyntaxFault, type Token, tokenize } from './lexer.ts';
import type { ConfigError, Position } from './source.ts';

/** A value of xl.cfg: numbers stay text, as xl keeps them. */
export type CfgValue =
  | { readonly kind: 'string'; readonly text: string; readonly at: Position }
  | { readonly kind: 'list'; readonly items: readonly CfgValue[]; readonly at: Position };

/** The settings of one file; a key that is set twice holds its last value. */
export type CfgFile = ReadonlyMap<string, CfgValue>;

/** Lists nested deeper than this are refused, so that hostile input cannot exhaust the stack. */
const MAX_DEPTH = 64;

/**
 * Parses an xl.cfg text: `key = value` and `key += value`, ended by a newline or ';'.
 * @param text the whole file
 * @param file its name, for errors
 * @returns the settings, or the first error with line, column and what was expected; never throws
 * Source: tools/libs/util/libxlu_cfg_y.y, xl.cfg(5)
 */
export function parseCfg(text: string, file: string): Result<CfgFile, ConfigError> {
  const tokens = tokenize(text);
  const settings = tokens.ok ? new Parser(tokens.value).file() : tokens;
  if (settings.ok) return settings;
  return fail({ file, position: settings.error.at, key: null, message: settings.error.message });
}

class Parser {
  readonly #tokens: readonly Token[];
  #next = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  file(): Result<CfgFile, SyntaxFault> {
    const settings = new Map<string, CfgValue>();
    for (;;) {
      while (this.#peek().kind === 'newline' || this.#peek().kind === ';') this.#next++;
      if (this.#peek().kind === 'end') return ok(settings);
      const fault = this.#assignment(settings);
      if (fault) return fail(fault);
      const after = this.#peek();
      if (after.kind !== 'newline' && after.kind !== ';' && after.kind !== 'end') {
        return fail(unexpected(after, 'a new line or ";"'));
      }
    }
  }

  #assignment(settings: Map<string, CfgValue>): SyntaxFault | null {
    const name = this.#take();
    if (name.kind !== 'identifier') return unexpected(name, 'a key');
    const operator = this.#take();
    if (operator.kind !== '=' && operator.kind !== '+=') {
      return unexpected(operator, `"=" or "+=" after ${quote(name.text)}`);
    }
    const value = this.#value(0);
    if (!value.ok) return value.error;
    const before = settings.get(name.text);
    if (operator.kind === '=' || !before) {
      settings.set(name.text, value.value);
      return null;
    }
    const sum = concatenate(before, value.value);
    if (!sum) {
      return {
        at: value.value.at,
        message: `cannot add a list to a string or a string to a list (${name.text})`,
      };
    }
    settings.set(name.text, sum);
    return null;
  }

  #value(depth: number): Result<CfgValue, SyntaxFault> {
    const token = this.#take();
    if (token.kind === 'string' || token.kind === 'number')
      return ok({ kind: 'string', text: token.text, at: token.at });
    if (token.kind !== '[') return fail(unexpected(token, 'a quoted string, a number or "["'));
    if (depth === MAX_DEPTH)
      return fail({ at: token.at, message: `lists nested more than ${MAX_DEPTH} deep` });
    const items: CfgValue[] = [];
    this.#skipNewlines();
    while (this.#peek().kind !== ']') {
      const item = this.#value(depth + 1);
      if (!item.ok) return item;
      items.push(item.value);
      this.#skipNewlines();
      if (this.#peek().kind === ']') break;
      const comma = this.#take();
      if (comma.kind !== ',') return fail(unexpected(comma, '"," or "]" in a list'));
      this.#skipNewlines();
    }
    this.#next++;
    return ok({ kind: 'list', items, at: token.at });
  }

  #skipNewlines(): void {
    while (this.#peek().kind === 'newline') this.#next++;
  }

  #peek(): Token {
    return this.#tokens[this.#next];
  }

  /** The last token, 'end', is never passed. */
  #take(): Token {
    const token = this.#tokens[this.#next];
    if (token.kind !== 'end') this.#next++;
    return token;
  }
}

function concatenate(before: CfgValue, added: CfgValue): CfgValue | null {
  if (before.kind === 'string' && added.kind === 'string')
    return { ...added, text: before.text + added.text };
  if (before.kind === 'list' && added.kind === 'list')
    return { ...added, items: [...before.items, ...added.items] };
  return null;
}

function unexpected(token: Token, expected: string): SyntaxFault {
  const what =
    token.kind === 'end'
      ? 'the end of the file'
      : token.kind === 'newline'
        ? 'the end of the line'
        : quote(token.text);
  return { at: token.at, message: `unexpected ${what}; expected ${expected}` };
}
