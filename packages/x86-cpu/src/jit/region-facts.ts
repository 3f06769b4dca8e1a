import type { RegionShape } from './block.ts';
import { namedVectors } from './simd-operands.ts';

const PAGE = 4096;

/** Whether the code sets EBP up as a frame pointer. */
export function isFramed(shape: RegionShape): boolean {
  for (const { insns } of shape.blocks.values()) {
    for (const { insn } of insns) {
      const { mnemonic, opcode } = insn.row;
      if (mnemonic === 'LEAVE' || (insn.memory === null && MOV_EBP_ESP.get(opcode) === insn.modrm))
        return true;
    }
  }
  return false;
}
/** ModRM of `mov ebp, esp` by opcode. */
const MOV_EBP_ESP: ReadonlyMap<number, number> = new Map([
  [0x89, 0xe5],
  [0x8b, 0xec],
]);

/** Mask of the XMM registers that the code names. */
export function vectorsOf(shape: RegionShape): number {
  let mask = 0;
  for (const { insns } of shape.blocks.values()) for (const { insn } of insns) mask |= namedVectors(insn);
  return mask;
}

/** The bytes of one page that a region was compiled from: offsets low (inclusive) and high (exclusive). */
export function extentOn(shape: RegionShape, page: number): [number, number] {
  let [low, high] = [PAGE, 0];
  for (const { insns } of shape.blocks.values()) {
    for (const { eip, insn } of insns) {
      low = Math.min(low, Math.max(eip - page, 0));
      if (eip < page + PAGE) high = Math.max(high, Math.min(eip + insn.length - page, PAGE));
    }
  }
  return [low, high];
}

/** Whether the code uses SSE or MMX. */
export function usesSimd(shape: RegionShape): boolean {
  for (const { insns } of shape.blocks.values()) {
    if (insns.some(({ insn }) => insn.row.simd)) return true;
  }
  return false;
}
