import { fail, ok, quote, type Result } from '../result.ts';
import type { Position } from './source.ts';
import { readQuoted } from './string-literal.ts';

/** A word of xl.cfg. `text` is the identifier, the number as written, or the string's value. */
export interface Token {
  readonly kind: 'identifier' | 'number' | 'string' | '=' | '+=' | '[' | ']' | ',' | ';' | 'newline' | 'end';
  readonly text: string;
  readonly at: Position;
}

/** A lexical or syntax error before it knows its file. */
export interface SyntaxFault {
  readonly at: Position;
  readonly message: string;
}

const IDENTIFIER = /[a-z][._0-9a-z]*/y;
const NUMBER = /[0-9][0-9a-fx]*/y;
const SPACE = /(?:[ \t\r]|#[^\n]*)+/y;
const PUNCTUATION = /\+=|[=[\],;]/y;
const PYTHON_LIKE = /[-+.():]/;

/**
 * Splits an xl.cfg text into words. Comments run from '#' to the end of the line.
 * @returns the words, closed by 'end'; or the first character that starts none
 * Source: tools/libs/util/libxlu_cfg_l.l
 */
export function tokenize(text: string): Result<Token[], SyntaxFault> {
  const tokens: Token[] = [];
  let offset = 0;
  let line = 1;
  let lineStart = 0;
  const match = (pattern: RegExp): string | null => {
    pattern.lastIndex = offset;
    return pattern.exec(text)?.[0] ?? null;
  };
  while (offset < text.length) {
    const at: Position = { line, column: offset - lineStart + 1 };
    const space = match(SPACE);
    if (space !== null) {
      offset += space.length;
      continue;
    }
    const char = text[offset];
    if (char === '\n') {
      tokens.push({ kind: 'newline', text: char, at });
      offset++;
      line++;
      lineStart = offset;
      continue;
    }
    if (char === '"' || char === "'") {
      const literal = readQuoted(text, offset);
      if (!literal.ok) {
        const where = { line, column: literal.error.offset - lineStart + 1 };
        return fail({ at: where, message: literal.error.message });
      }
      tokens.push({ kind: 'string', text: literal.value.value, at });
      offset = literal.value.end;
      continue;
    }
    const word = match(IDENTIFIER) ?? match(NUMBER) ?? match(PUNCTUATION);
    if (word === null) return fail({ at, message: unexpectedCharacter(text, offset) });
    const kind = /^[a-z]/.test(word)
      ? 'identifier'
      : /^[0-9]/.test(word)
        ? 'number'
        : (word as Token['kind']);
    tokens.push({ kind, text: word, at });
    offset += word.length;
  }
  tokens.push({ kind: 'end', text: '', at: { line, column: offset - lineStart + 1 } });
  return ok(tokens);
}

function unexpectedCharacter(text: string, offset: number): string {
  const char = String.fromCodePoint(text.codePointAt(offset) ?? 0);
  const hint = PYTHON_LIKE.test(char) ? ' (xl.cfg is not Python: only name = value)' : '';
  if (/[A-Z_]/.test(char))
    return `unexpected ${quote(char)}; expected a lower-case key, a quoted string or a number`;
  return `unexpected ${quote(char)}; expected a key, "=", "+=", a quoted string, a number or "["${hint}`;
}
