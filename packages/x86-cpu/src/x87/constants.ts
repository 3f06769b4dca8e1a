import { BIAS, type Extended, number80, ONE, zero } from './number.ts';
import { type Environment, Rounding } from './round.ts';

/** Mantissa rounded down, and whether the nearest number is the one above. */
type Constant = readonly [exponent: number, mantissa: bigint, nearestIsAbove: boolean];

/** FLDL2T FLDL2E FLDPI FLDLG2 FLDLN2. */
const CONSTANTS: readonly Constant[] = [
  [BIAS + 1, 0xd49a784bcd1b8afen, false],
  [BIAS, 0xb8aa3b295c17f0bbn, true],
  [BIAS + 1, 0xc90fdaa22168c234n, true],
  [BIAS - 2, 0x9a209a84fbcff798n, true],
  [BIAS - 1, 0xb17217f7d1cf79abn, true],
];

/** FLD1, FLDL2T, FLDL2E, FLDPI, FLDLG2, FLDLN2, FLDZ by ModRM.rm, rounded as RC says; nothing is raised. */
export function loadConstant(env: Environment, rm: number): Extended {
  if (rm === 0) return ONE;
  const constant = CONSTANTS[rm - 1];
  if (!constant) return zero(0);
  const [exponent, mantissa, nearestIsAbove] = constant;
  const up = env.rounding === Rounding.up || (env.rounding === Rounding.nearest && nearestIsAbove);
  return number80(0, exponent, up ? mantissa + 1n : mantissa);
}
