/** Either a value or why there is none. Used where input is not ours to trust (kernels, configurations): nothing throws. */
export type Result<T, E = string> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: E };

/** Wraps a value as a success. */
export function ok<T>(value: T): { readonly ok: true; readonly value: T } {
  return { ok: true, value };
}

/** Wraps a reason as a failure. */
export function fail<E>(error: E): { readonly ok: false; readonly error: E } {
  return { ok: false, error };
}

/** Writes a number as 0x… in lower case, unsigned. */
export function hex(value: number): string {
  return `0x${(value < 0 ? value + 2 ** 32 : value).toString(16)}`;
}

/** Quotes text from outside for a one-line message: JSON escapes, at most 60 characters. */
export function quote(text: string): string {
  const shown = text.length > 60 ? `${text.slice(0, 57)}...` : text;
  return JSON.stringify(shown).replace(
    /[\u007f-\uffff]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
