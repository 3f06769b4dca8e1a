/** @returns one character per byte */
export function toText(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

/** @returns each string as bytes, one per character, with a NUL behind it */
export function joinStrings(strings: readonly string[]): Uint8Array {
  const text = strings.map((string) => `${string}\0`).join('');
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}

/** @returns the strings that have a NUL behind them */
export function splitStrings(payload: Uint8Array): string[] {
  return toText(payload).split('\0').slice(0, -1);
}
