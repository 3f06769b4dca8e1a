/** Lanes that an operation works on: packed or scalar, single or double. */
export type FloatKind = 'ps' | 'pd' | 'ss' | 'sd';
export const FLOAT_KINDS: readonly FloatKind[] = ['ps', 'pd', 'ss', 'sd'];

const ARITHMETIC = ['add', 'sub', 'mul', 'div', 'min', 'max', 'sqrt', 'cmp', 'round'] as const;
const OTHERS = [
  ...['comiss', 'comisd', 'ucomiss', 'ucomisd', 'addsubps', 'addsubpd', 'dpps', 'dppd'],
  ...['cvtdq2ps', 'cvtpi2ps', 'cvtsi2ss', 'cvtps2pd', 'cvtpd2ps', 'cvtss2sd', 'cvtsd2ss'],
  ...['cvtps2dq', 'cvttps2dq', 'cvtps2pi', 'cvttps2pi', 'cvtpd2dq', 'cvttpd2dq'],
  ...['pcmpestri', 'pcmpestrm', 'pcmpestrf', 'pcmpistri', 'pcmpistrm', 'pcmpistrf'],
  ...['cvtss2si', 'cvttss2si', 'cvtsd2si', 'cvttsd2si'],
] as const;

/** An operation done in TypeScript when it is not straight: floating point under MXCSR, and string comparisons. */
export type FloatOp = string;

/** All of them; the position is the operation's number. */
export const FLOAT_OPS: readonly FloatOp[] = [
  ...ARITHMETIC.flatMap((name) => FLOAT_KINDS.map((kind) => name + kind)),
  ...OTHERS,
];

/** Number of an operation; an unknown name is our bug. */
export function floatNumber(op: FloatOp): number {
  const n = FLOAT_OPS.indexOf(op);
  if (n < 0) throw new Error(`no operation ${op}`);
  return n;
}

/** MXCSR: sticky flags in the low six bits, then DAZ, their masks, rounding control and FZ. */
export const IE = 1;
export const DE = 2;
export const ZE = 4;
export const OE = 8;
export const UE = 16;
export const PE = 32;
export const MXCSR_DAZ = 0x40;
export const MXCSR_MASKS = 0x1f80;
export const MXCSR_MASK_SHIFT = 7;
export const MXCSR_RC = 0x6000;
export const MXCSR_RC_SHIFT = 13;
export const MXCSR_FZ = 0x8000;
/** Bits that LDMXCSR accepts. */
export const MXCSR_VALID = 0xffff;
