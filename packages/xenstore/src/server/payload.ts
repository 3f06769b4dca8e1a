/** Text on the wire is bytes, one character each: tokens and values come back as they were sent. */
export function fromText(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

/** @returns one character per byte */
export function toText(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

/** @returns each string with a NUL behind it */
export function nulTerminated(strings: Iterable<string>): Uint8Array {
  let text = '';
  for (const string of strings) text += `${string}\0`;
  return fromText(text);
}

/** @returns the strings that have a NUL behind them; bytes after the last NUL do not count */
export function splitStrings(payload: Uint8Array): string[] {
  const strings: string[] = [];
  let start = 0;
  for (let end = payload.indexOf(0); end >= 0; end = payload.indexOf(0, start)) {
    strings.push(toText(payload.subarray(start, end)));
    start = end + 1;
  }
  return strings;
}

/** @returns the only string of a payload that ends in its only NUL, or null */
export function soleString(payload: Uint8Array): string | null {
  const nul = payload.indexOf(0);
  return nul >= 0 && nul === payload.length - 1 ? toText(payload.subarray(0, nul)) : null;
}

/** @returns the leading decimal number, as C's atoi reads it: 0 when there is none */
export function decimal(text: string): number {
  return Number(/^\s*[+-]?[0-9]+/.exec(text)?.[0] ?? 0);
}
