import { fail, ok, quote, type Result } from '../result.ts';

const SIMPLE_ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  "'": "'",
  '\\': '\\',
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
};

const HEX_ESCAPE = /x([0-9a-fA-F]{2})/y;
const OCTAL_ESCAPE = /([0-7]{1,3})/y;

/**
 * Reads a string in single or double quotes; both know the same escapes (\\ \' \" \a \b \f \n \r \t \v \xHH \OOO).
 * @param start offset of the opening quote
 * @returns the value and the offset behind the closing quote, or what is wrong at which offset
 * Source: tools/libs/util/libxlu_cfg.c, xlu__cfgl_dequote (which drops numeric escapes by mistake; here they count)
 */
export function readQuoted(
  text: string,
  start: number,
): Result<{ value: string; end: number }, { offset: number; message: string }> {
  const closing = text[start];
  let value = '';
  let at = start + 1;
  for (;;) {
    const char = text[at];
    if (char === undefined || char === '\n') {
      return fail({
        offset: start,
        message: `a string that does not end on its line; expected a closing ${closing}`,
      });
    }
    if (char === closing) return ok({ value, end: at + 1 });
    if (char !== '\\') {
      value += char;
      at++;
      continue;
    }
    const escaped = readEscape(text, at + 1);
    if (!escaped) {
      const shown = quote(text.slice(at, at + 2));
      return fail({
        offset: at,
        message: `unknown escape ${shown} in a string; expected \\n, \\t, \\\\, \\xHH or the like`,
      });
    }
    value += escaped.value;
    at = escaped.end;
  }
}

function readEscape(text: string, at: number): { value: string; end: number } | null {
  const simple =
    text[at] !== undefined && Object.hasOwn(SIMPLE_ESCAPES, text[at]) ? SIMPLE_ESCAPES[text[at]] : null;
  if (simple !== null) return { value: simple, end: at + 1 };
  HEX_ESCAPE.lastIndex = at;
  const hex = HEX_ESCAPE.exec(text);
  if (hex) return { value: String.fromCharCode(Number.parseInt(hex[1], 16)), end: at + 3 };
  OCTAL_ESCAPE.lastIndex = at;
  const octal = OCTAL_ESCAPE.exec(text);
  if (octal)
    return { value: String.fromCharCode(Number.parseInt(octal[1], 8) & 255), end: at + octal[1].length };
  return null;
}
