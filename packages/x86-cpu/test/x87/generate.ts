import { REQUEST_BYTES } from './wire.ts';

/** Deterministic random numbers: xorshift128 on 32-bit words. */
export class Random {
  #a: number;
  #b = 362436069;
  #c = 521288629;
  #d = 88675123;
  constructor(seed: number) {
    this.#a = seed | 0 || 1;
    for (let i = 0; i < 16; i++) this.word();
  }
  word(): number {
    const t = this.#a ^ (this.#a << 11);
    this.#a = this.#b;
    this.#b = this.#c;
    this.#c = this.#d;
    this.#d = this.#d ^ (this.#d >>> 19) ^ t ^ (t >>> 8);
    return this.#d >>> 0;
  }
  below(n: number): number {
    return this.word() % n;
  }
  wide(): bigint {
    return (BigInt(this.word()) << 32n) | BigInt(this.word());
  }
}

/** One instruction form: code bytes without prefixes; memory forms address [ESI]. */
export interface Form {
  readonly name: string;
  readonly code: readonly number[];
  /** What the memory operand holds. */
  readonly operand: 'none' | 'f32' | 'f64' | 'f80' | 'i16' | 'i32' | 'i64' | 'bcd' | 'any';
  /** Both operands come from the classes near each other; trigonometric ranges. */
  readonly kind: 'plain' | 'unit' | 'angle' | 'scale';
}

const memory = (code: number, ext: number): number[] => [code, (ext << 3) | 6];
const reg = (code: number, modrm: number): number[] => [code, modrm];
const form = (
  name: string,
  code: number[],
  operand: Form['operand'] = 'none',
  kind: Form['kind'] = 'plain',
): Form => ({ name, code, operand, kind });

const ARITH = ['add', 'mul', 'com', 'comp', 'sub', 'subr', 'div', 'divr'];
const FUNCTIONS_F0 =
  'f2xm1 fyl2x fptan fpatan fxtract fprem1 fdecstp fincstp fprem fyl2xp1 fsqrt fsincos frndint fscale fsin fcos';
const KINDS: Readonly<Record<string, Form['kind']>> = {
  f2xm1: 'unit',
  fyl2xp1: 'unit',
  fsin: 'angle',
  fcos: 'angle',
  fsincos: 'angle',
  fptan: 'angle',
  fscale: 'scale',
};
/** The host's last bit may differ. */
export const TRANSCENDENTAL: ReadonlySet<string> = new Set(
  'f2xm1 fyl2x fptan fpatan fyl2xp1 fsincos fsin fcos'.split(' '),
);

/** Every form but the memory images. */
export const FORMS: readonly Form[] = [
  ...ARITH.flatMap((name, ext) => [
    form(`f${name} m32`, memory(0xd8, ext), 'f32'),
    form(`f${name} m64`, memory(0xdc, ext), 'f64'),
    form(`fi${name} m32`, memory(0xda, ext), 'i32'),
    form(`fi${name} m16`, memory(0xde, ext), 'i16'),
    form(`f${name} st,st1`, reg(0xd8, 0xc1 + 8 * ext)),
    form(`f${name} st,st0`, reg(0xd8, 0xc0 + 8 * ext)),
    form(`f${name} st2,st`, reg(0xdc, 0xc2 + 8 * ext)),
    ...(ext === 3 ? [] : [form(`f${name}p st1,st`, reg(0xde, 0xc1 + 8 * ext))]),
  ]),
  ...FUNCTIONS_F0.split(' ').map((name, i) =>
    form(name, reg(0xd9, 0xf0 + i), 'none', KINDS[name] ?? 'plain'),
  ),
  form('fld m32', memory(0xd9, 0), 'f32'),
  form('fld m64', memory(0xdd, 0), 'f64'),
  form('fld m80', memory(0xdb, 5), 'f80'),
  form('fild m16', memory(0xdf, 0), 'i16'),
  form('fild m32', memory(0xdb, 0), 'i32'),
  form('fild m64', memory(0xdf, 5), 'i64'),
  form('fbld', memory(0xdf, 4), 'bcd'),
  form('fst m32', memory(0xd9, 2), 'any', 'scale'),
  form('fstp m32', memory(0xd9, 3), 'any', 'scale'),
  form('fst m64', memory(0xdd, 2), 'any', 'scale'),
  form('fstp m64', memory(0xdd, 3), 'any', 'scale'),
  form('fstp m80', memory(0xdb, 7), 'any'),
  form('fist m16', memory(0xdf, 2), 'any', 'scale'),
  form('fistp m16', memory(0xdf, 3), 'any', 'scale'),
  form('fist m32', memory(0xdb, 2), 'any', 'scale'),
  form('fistp m32', memory(0xdb, 3), 'any', 'scale'),
  form('fistp m64', memory(0xdf, 7), 'any', 'scale'),
  form('fisttp m16', memory(0xdf, 1), 'any', 'scale'),
  form('fisttp m32', memory(0xdb, 1), 'any', 'scale'),
  form('fisttp m64', memory(0xdd, 1), 'any', 'scale'),
  form('fbstp', memory(0xdf, 6), 'any', 'scale'),
  form('fld st2', reg(0xd9, 0xc2)),
  form('fxch st3', reg(0xd9, 0xcb)),
  form('fst st3', reg(0xdd, 0xd3)),
  form('fstp st3', reg(0xdd, 0xdb)),
  form('fstp st0', reg(0xdd, 0xd8)),
  form('ffree st1', reg(0xdd, 0xc1)),
  form('ffreep st0', reg(0xdf, 0xc0)),
  ...'b e be u nb ne nbe nu'
    .split(' ')
    .map((cc, i) => form(`fcmov${cc}`, reg(i < 4 ? 0xda : 0xdb, 0xc1 + 8 * (i & 3)))),
  form('fchs', reg(0xd9, 0xe0)),
  form('fabs', reg(0xd9, 0xe1)),
  form('ftst', reg(0xd9, 0xe4)),
  form('fxam', reg(0xd9, 0xe5)),
  ...[0, 1, 2, 3, 4, 5, 6].map((i) => form(`constant ${i}`, reg(0xd9, 0xe8 + i))),
  form('fcompp', reg(0xde, 0xd9)),
  form('fucompp', reg(0xda, 0xe9)),
  form('fucom', reg(0xdd, 0xe1)),
  form('fucomp', reg(0xdd, 0xe9)),
  form('fucomi', reg(0xdb, 0xe9)),
  form('fcomi', reg(0xdb, 0xf1)),
  form('fucomip', reg(0xdf, 0xe9)),
  form('fcomip', reg(0xdf, 0xf1)),
  form('fninit', reg(0xdb, 0xe3)),
  form('fnclex', reg(0xdb, 0xe2)),
  form('fnop', reg(0xd9, 0xd0)),
  form('fnstsw ax', reg(0xdf, 0xe0)),
  form('fnstsw m', memory(0xdd, 7), 'any'),
  form('fnstcw m', memory(0xd9, 7), 'any'),
  form('fldcw m', memory(0xd9, 5), 'any'),
  form('fwait', [0x9b]),
];

const TOP = 1n << 63n;

function mantissa(r: Random): bigint {
  const m = r.wide() | TOP;
  switch (r.below(8)) {
    case 0:
      return (m & (-1n << 11n)) | (r.below(3) === 0 ? 1n << BigInt(r.below(12)) : 0n);
    case 1:
      return m & (-1n << 40n);
    case 2:
      return TOP | (1n << BigInt(r.below(64)));
    case 3:
      return BigInt.asUintN(64, -1n << BigInt(r.below(64)));
    case 4:
      return BigInt.asUintN(64, TOP | ((1n << BigInt(r.below(63))) - 1n));
    default:
      return m;
  }
}

export interface Register {
  readonly se: number;
  readonly m: bigint;
}

function special(r: Random, sign: number): Register {
  switch (r.below(11)) {
    case 0:
    case 1:
      return { se: sign, m: 0n };
    case 2:
      return { se: sign | 0x7fff, m: TOP };
    case 3:
      return { se: sign | 0x7fff, m: mantissa(r) | (3n << 62n) };
    case 4:
      return { se: sign | 0x7fff, m: (mantissa(r) & ~(1n << 62n)) | 1n };
    case 5:
      return { se: sign, m: r.wide() >> BigInt(1 + r.below(63)) };
    case 6:
      return { se: sign, m: mantissa(r) };
    case 7:
      return { se: sign | r.below(0x8000), m: r.wide() >> 1n };
    case 8:
      return { se: sign | 0x3fff, m: TOP };
    default:
      return { se: sign | (r.below(2) ? 1 + r.below(64) : 0x7ffe - r.below(64)), m: mantissa(r) };
  }
}

function anyRegister(r: Random, kind: Form['kind']): Register {
  const sign = r.below(2) << 15;
  if (r.below(9) === 0) return special(r, sign);
  const exponent = (): number => {
    switch (kind) {
      case 'unit':
        return 0x3ffe - (r.below(3) ? r.below(8) : r.below(90));
      case 'angle':
        return r.below(4) ? 0x3fff + r.below(12) - 8 : 0x3fff + r.below(140) - 74;
      case 'scale':
        return 0x3fff + (r.below(4) ? r.below(72) - 4 : r.below(2300) - 1150);
      default:
        break;
    }
    const n = r.below(16);
    if (n < 9) return 0x3fff + r.below(80) - 40;
    if (n < 11) return 0x3fff + r.below(140) - 70;
    if (n < 13) return 0x3fff + r.below(2100) - 1050;
    return 1 + r.below(0x7ffe);
  };
  return { se: sign | exponent(), m: mantissa(r) };
}

/** A second operand, at times near the first. */
function partner(r: Random, a: Register, kind: Form['kind']): Register {
  const n = r.below(12);
  if (n === 0) return { se: a.se ^ (r.below(2) << 15), m: a.m };
  if (n === 1) return { se: a.se ^ 0x8000, m: a.m ^ (1n << BigInt(r.below(63))) };
  if (n === 2) return { se: ((a.se & 0x7fff) + r.below(3)) & 0x7fff, m: mantissa(r) };
  return anyRegister(r, kind);
}

function float(r: Random, bits: 32 | 64): bigint {
  const fraction = bits === 32 ? 23 : 52;
  const max = bits === 32 ? 255 : 2047;
  const n = r.below(12);
  const exponent = n === 0 ? 0 : n === 1 ? max : n < 8 ? (max >> 1) + r.below(60) - 30 : 1 + r.below(max - 1);
  const rest = n < 2 && r.below(2) ? 0n : (mantissa(r) << 1n) & ((1n << 64n) - 1n);
  const image = (BigInt(r.below(2)) << BigInt(bits - 1)) | (BigInt(exponent) << BigInt(fraction));
  return image | (rest >> BigInt(64 - fraction));
}

function operandImage(r: Random, kind: Form['operand']): bigint {
  switch (kind) {
    case 'f32':
      return float(r, 32);
    case 'f64':
      return float(r, 64);
    case 'f80': {
      const v = anyRegister(r, 'plain');
      return (BigInt(v.se) << 64n) | v.m;
    }
    case 'bcd': {
      let image = 0n;
      for (let i = 0; i < 18; i++) image |= BigInt(r.below(10)) << BigInt(4 * i);
      return (image >> BigInt(4 * r.below(18))) | (BigInt(r.below(256)) << 72n);
    }
    case 'none':
      return 0n;
    default:
      return r.below(4) === 0 ? BigInt(r.below(16)) : r.wide() >> BigInt(r.below(60));
  }
}

const EXCEPTIONS = 0x3f;

function controlWord(r: Random): number {
  const n = r.below(8);
  if (n < 3) return 0x37f;
  if (n === 3) return 0x27f;
  const precision = [0, 2, 3, 3][r.below(4)] ?? 3;
  const masks = r.below(3) ? EXCEPTIONS : r.below(64);
  return 0x40 | masks | (precision << 8) | (r.below(4) << 10);
}

/** Writes one request. */
export function writeRequest(r: Random, f: Form, view: DataView, at: number): void {
  const bytes = new Uint8Array(view.buffer, view.byteOffset + at, REQUEST_BYTES);
  bytes.fill(0);
  const control = controlWord(r);
  const unmasked = ~control & EXCEPTIONS;
  const sticky = r.below(64) & (r.below(24) ? ~unmasked : EXCEPTIONS);
  const pending = sticky & unmasked ? 0x8080 : 0;
  const codes = (r.below(8) << 8) | (r.below(2) << 14);
  view.setUint16(at, control, true);
  view.setUint16(at + 2, sticky | pending | codes | (r.below(8) << 11), true);
  const tags = r.below(6) ? 0x7f : r.below(256);
  bytes[4] = tags;
  bytes[5] = f.code.length;
  bytes[6] = r.word() & 0x45;
  bytes.set(f.code, 8);
  const first = anyRegister(r, f.kind);
  for (let i = 0; i < 8; i++) {
    const v = i === 0 ? first : i < 3 ? partner(r, first, f.kind) : anyRegister(r, f.kind);
    view.setBigUint64(at + 16 + 10 * i, v.m, true);
    view.setUint16(at + 24 + 10 * i, v.se, true);
  }
  const image = operandImage(r, f.operand);
  view.setBigUint64(at + 96, image & 0xffffffffffffffffn, true);
  view.setBigUint64(at + 104, image >> 64n, true);
}

/** Requests for `count` vectors of every form. */
export function requests(seed: number, count: number, forms: readonly Form[] = FORMS): Uint8Array {
  const out = new Uint8Array(forms.length * count * REQUEST_BYTES);
  const view = new DataView(out.buffer);
  forms.forEach((f, i) => {
    const r = new Random(seed + i * 7919);
    for (let n = 0; n < count; n++) writeRequest(r, f, view, (i * count + n) * REQUEST_BYTES);
  });
  return out;
}
