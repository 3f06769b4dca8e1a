/**
 * The address space in which a vector runs, natively and emulated: two pages of code (read and execute), two of data
 * (read and write), everything else unmapped. All below 64 KiB, so that 16-bit addressing and 16-bit EIP reach it.
 */
export const CODE_BASE = 0x6000;
export const CODE_END = 0x8000;
export const DATA_BASE = 0x9000;
export const DATA_END = 0xb000;
/** One byte per address of the space, code and data: the image that patches are applied to. */
export const SPACE_END = 0x10000;

const MULTIPLIER = 0x9e3779b1;

/** Contents of code and data before a vector's patches. */
export function baseImage(): Uint8Array {
  const image = new Uint8Array(SPACE_END);
  image.fill(0xcc, CODE_BASE, CODE_END);
  for (let i = DATA_BASE; i < DATA_END; i++) image[i] = Math.imul(i, MULTIPLIER) >>> 24;
  return image;
}
