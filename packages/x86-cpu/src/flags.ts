import { AF, CF, OF, PF, SF, ZF } from './row.ts';

/**
 * Lazy flags: two words from which the six arithmetic flags are computed when somebody asks.
 *
 *   result   sign-extended result of the last operation
 *   aux      bit 31 CF; bit 30 CF ^ OF; bit 3 AF; bits 8-15 xored into the result's low byte for PF; bit 0 xored into SF
 *
 *   ZF = result == 0     SF = result<31> ^ aux<0>     PF = even parity of (result ^ aux >> 8) & 0xff
 *
 * After an addition or subtraction aux is the vector of carries out of each bit, shifted so that the operand's top bit is
 * bit 31, and masked: CF and OF fall out of bits 31 and 30. Every combination of flags can be encoded (`encodeAux`).
 */
export const AUX_CF = 0x80000000;
export const AUX_CARRIES = 0xc0000000;
export const AUX_AF = 8;

/** The arithmetic flags of EFLAGS from the lazy words. */
export function decodeFlags(result: number, aux: number): number {
  let parity = (result ^ (aux >>> 8)) & 0xff;
  parity ^= parity >> 4;
  parity ^= parity >> 2;
  parity ^= parity >> 1;
  let flags = 0;
  if (aux < 0) flags |= CF;
  if ((parity & 1) === 0) flags |= PF;
  if (aux & AUX_AF) flags |= AF;
  if (result === 0) flags |= ZF;
  if ((result >>> 31) ^ (aux & 1)) flags |= SF;
  if ((aux ^ (aux << 1)) < 0) flags |= OF;
  return flags;
}

/** The lazy word `result` that goes with `encodeAux`. */
export function encodeResult(eflags: number): number {
  return eflags & ZF ? 0 : 1;
}

/** The lazy word `aux` for the arithmetic flags of `eflags`. */
export function encodeAux(eflags: number): number {
  let aux = (encodeResult(eflags) ^ (eflags & PF ? 0 : 1)) << 8;
  if (eflags & CF) aux |= AUX_CF;
  if (((eflags & CF) !== 0) !== ((eflags & OF) !== 0)) aux |= AUX_CARRIES ^ AUX_CF;
  if (eflags & AF) aux |= AUX_AF;
  if (eflags & SF) aux |= 1;
  return aux;
}
