/**
 * PCMPxSTRx. Control bits: 0 words, 1 signed, 2-3 aggregation (any, ranges, each, ordered), 4-5 polarity, 6 last index or
 * whole mask. Source: SDM vol. 2, section 4.1.
 */
export interface StringComparison {
  /** One bit for each element of the second operand. */
  readonly bits: number;
  readonly count: number;
  /** CF 0, ZF 6, SF 7, OF 11. */
  readonly flags: number;
}

const Aggregation = { any: 0, ranges: 1, each: 2 } as const;

function elements(bytes: Uint8Array, control: number): number[] {
  const words = (control & 1) !== 0;
  const shift = words ? 16 : 24;
  return Array.from({ length: words ? 8 : 16 }, (_, i) => {
    const v = words ? bytes[2 * i]! | (bytes[2 * i + 1]! << 8) : bytes[i]!;
    return control & 2 ? (v << shift) >> shift : v;
  });
}

/** Elements before the first zero. */
function implicitLength(values: readonly number[]): number {
  const end = values.indexOf(0);
  return end < 0 ? values.length : end;
}

/** @param lengths explicit lengths, or null for strings that end with a zero */
export function compareStrings(
  a: Uint8Array,
  b: Uint8Array,
  control: number,
  lengths: readonly [number, number] | null,
): StringComparison {
  const [first, second] = [elements(a, control), elements(b, control)];
  const count = first.length;
  const firstLength = lengths ? Math.min(lengths[0], count) : implicitLength(first);
  const secondLength = lengths ? Math.min(lengths[1], count) : implicitLength(second);
  const aggregation = (control >> 2) & 3;
  let bits = 0;
  for (let j = 0; j < count; j++) {
    if (element(aggregation, first, second, firstLength, secondLength, j)) bits |= 1 << j;
  }
  const polarity = (control >> 4) & 3;
  const all = (1 << count) - 1;
  if (polarity === 1) bits ^= all;
  if (polarity === 3) bits ^= (1 << secondLength) - 1;
  const flags =
    (bits ? 1 : 0) |
    (secondLength < count ? 0x40 : 0) |
    (firstLength < count ? 0x80 : 0) |
    (bits & 1 ? 0x800 : 0);
  return { bits, count, flags };
}

function element(
  aggregation: number,
  first: readonly number[],
  second: readonly number[],
  firstLength: number,
  secondLength: number,
  j: number,
): boolean {
  const value = second[j]!;
  const valid = j < secondLength;
  switch (aggregation) {
    case Aggregation.any:
      return valid && first.slice(0, firstLength).includes(value);
    case Aggregation.ranges:
      for (let i = 0; i + 1 < firstLength; i += 2) {
        if (valid && value >= first[i]! && value <= first[i + 1]!) return true;
      }
      return false;
    case Aggregation.each: {
      const inFirst = j < firstLength;
      return inFirst && valid ? first[j] === value : inFirst === valid;
    }
    default:
      for (let i = 0; i < firstLength && i + j < first.length; i++) {
        if (i + j >= secondLength || first[i] !== second[i + j]) return false;
      }
      return true;
  }
}

/** Index of the first or last bit (the number of elements without one), or the mask of bits or elements. */
export function comparisonIndex({ bits, count }: StringComparison, control: number): number {
  if (bits === 0) return count;
  return control & 0x40 ? 31 - Math.clz32(bits) : 31 - Math.clz32(bits & -bits);
}
export function comparisonMask({ bits, count }: StringComparison, control: number): Uint8Array {
  const out = new Uint8Array(16);
  if ((control & 0x40) === 0) {
    out[0] = bits & 0xff;
    out[1] = bits >> 8;
    return out;
  }
  const width = 16 / count;
  for (let i = 0; i < 16; i++) out[i] = (bits >> Math.floor(i / width)) & 1 ? 0xff : 0;
  return out;
}
