import { FIRST_RESERVED_GDT_ENTRY } from '@domu/xen-abi';

export const DESCRIPTORS_PER_FRAME = 512;

/** High words of the reserved descriptors from entry 7168 on; the low word is always 0x0000FFFF. 0: not present. */
const RESERVED_HIGH: readonly number[] = [
  0,
  0,
  0,
  0x00cf_bb00, // E018 code, DPL 1
  0x00cf_b300, // E020 data, DPL 1
  0x00cf_fb00, // E028 code, DPL 3
  0x00cf_f300, // E030 data, DPL 3
];

/** Reads one of Xen's own descriptors. @returns high word, 0 for an empty slot; the low word is 0x0000FFFF (0 when empty) */
export function reservedDescriptorHigh(index: number): number {
  return RESERVED_HIGH[index - FIRST_RESERVED_GDT_ENTRY] ?? 0;
}

/** A kernel selector with RPL 0 means ring 1 here. Source: xen/arch/x86/include/asm/pv/traps.h fixup_guest_*_selector */
export const fixupKernelSelector = (selector: number): number =>
  (selector & 3) === 0 ? (selector & 0xfffc) | 1 : selector & 0xffff;

export const isNullSelector = (selector: number): boolean => (selector & 0xfffc) === 0;

/** A descriptor as the CPU's segment file holds it. */
export interface SegmentView {
  base: number;
  limit: number;
  attr: number;
}

/** Base address of a segment by the two words of its descriptor. */
export const descriptorBase = (lo: number, hi: number): number =>
  ((lo >>> 16) | ((hi & 0xff) << 16) | (hi & 0xff00_0000)) >>> 0;

/** Byte limit of a segment, granularity applied. */
export function descriptorLimit(lo: number, hi: number): number {
  const rawLimit = (lo & 0xffff) | (hi & 0xf_0000);
  return (hi & 0x80_0000) !== 0 ? ((rawLimit << 12) | 0xfff) >>> 0 : rawLimit;
}

/** Attributes as in `SegmentFile`. */
export const descriptorAttr = (hi: number): number => (hi >>> 8) & 0xf0ff;

export function unpackDescriptor(lo: number, hi: number): SegmentView {
  return { base: descriptorBase(lo, hi), limit: descriptorLimit(lo, hi), attr: descriptorAttr(hi) };
}

export const ATTR_ACCESSED = 1;
/** Data: writable; code: readable. */
export const ATTR_WRITABLE = 2;
/** Data: expand-down; code: conforming. */
export const ATTR_EXPAND_DOWN = 4;
export const ATTR_CONFORMING = 4;
export const ATTR_CODE = 8;
export const ATTR_S = 0x10;
export const ATTR_PRESENT = 0x80;
export const ATTR_DB = 0x4000;
export const attrDpl = (attr: number): number => (attr >>> 5) & 3;
