import type { Shape } from '../interp/simd-lanes.ts';

/**
 * What is known of a number, by powers of two: it is zero, or its magnitude is from 2^least to 2^most; either way it is a
 * multiple of 2^grain.
 */
export interface Span {
  readonly least: number;
  readonly most: number;
  readonly grain: number;
}

/** Bits of the significand, and the exponents of the least and the greatest normal number. */
const FORMATS: Record<Shape, { readonly precision: number; readonly least: number; readonly most: number }> =
  {
    f64x2: { precision: 53, least: -1022, most: 1023 },
    f32x4: { precision: 24, least: -126, most: 127 },
  };

const spanFrom = (shape: Shape, least: number, most: number): Span => ({
  least,
  most,
  grain: least - FORMATS[shape].precision + 1,
});

/**
 * The numbers that a test finds plain, zero beside them: with `add` added to the word that holds the exponent, none of the bits
 * `mask` is left.
 */
export const PLAIN: Record<Shape, { readonly span: Span; readonly add: number; readonly mask: number }> = {
  f64x2: { span: spanFrom('f64x2', -255, 257), add: 0xd0000000, mask: 0x60000000 },
  f32x4: { span: spanFrom('f32x4', -63, 65), add: 0xe0000000, mask: 0x40000000 },
};

/** What holds of either number. */
export function either(a: Span, b: Span): Span {
  return {
    least: Math.min(a.least, b.least),
    most: Math.max(a.most, b.most),
    grain: Math.min(a.grain, b.grain),
  };
}

/** What holds of an operation's result, rounded to nearest; of a division by zero and a negative root, nothing. */
export function spanOf(shape: Shape, base: string, a: Span, b: Span): Span {
  switch (base) {
    case 'add':
    case 'sub': {
      const grain = Math.min(a.grain, b.grain);
      return { least: grain, most: Math.max(a.most, b.most) + 1, grain };
    }
    case 'mul':
      return spanFrom(shape, a.least + b.least, a.most + b.most);
    case 'div':
      return spanFrom(shape, a.least - b.most, a.most - b.least);
    case 'sqrt':
      return spanFrom(shape, Math.floor(b.least / 2), Math.ceil(b.most / 2));
    default:
      return either(a, b);
  }
}

/** Whether all such numbers are normal ones or zero. */
export function isNormal(shape: Shape, { least, most }: Span): boolean {
  return least >= FORMATS[shape].least && most <= FORMATS[shape].most;
}
