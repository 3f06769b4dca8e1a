import { UserError } from '../user-error.ts';

const CR = '\r';
const SIMPLE: Readonly<Record<string, string>> = {
  n: CR,
  r: CR,
  t: '\t',
  b: '\b',
  e: '\x1b',
  '\\': '\\',
};

/**
 * Turns the argument of --type into the bytes that a terminal would send.
 * `\n` (and a real newline) is the Enter key, which sends CR; `\xHH` is a byte; `\t \b \e \\` are what they always are.
 * Other characters go as UTF-8.
 * Errors: UserError names the escape that is none
 */
export function parseTypedText(text: string): Uint8Array {
  const bytes: number[] = [];
  for (let i = 0; i < text.length; ) {
    const hex = /^\\x([0-9a-fA-F]{2})/.exec(text.slice(i, i + 4));
    if (hex) {
      bytes.push(Number.parseInt(hex[1], 16));
      i += 4;
      continue;
    }
    const char = String.fromCodePoint(text.codePointAt(i) ?? 0);
    if (char !== '\\') {
      bytes.push(...Buffer.from(char === '\n' ? CR : char, 'utf8'));
      i += char.length;
      continue;
    }
    const key = text[i + 1] ?? '';
    if (!Object.hasOwn(SIMPLE, key)) {
      throw new UserError(
        `--type: unknown escape "\\${key}"; expected \\n (Enter), \\t, \\b, \\e, \\\\ or \\xHH (a byte)`,
      );
    }
    bytes.push(...Buffer.from(SIMPLE[key], 'latin1'));
    i += 2;
  }
  return Uint8Array.from(bytes);
}
