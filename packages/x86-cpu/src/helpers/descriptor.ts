import { Vector } from '../names.ts';
import type { HelperCpu, HelperStatus } from './helper-cpu.ts';

/** A descriptor taken apart, in the form of the hidden segment parts. */
export interface Descriptor {
  readonly selector: number;
  readonly base: number;
  /** Byte limit, unsigned. */
  readonly limit: number;
  /** See SegmentFile.attr. */
  readonly attr: number;
  /** Upper descriptor word. */
  readonly high: number;
}

const ACCESSED = 1;
const ATTR_MASK = 0xf0ff;
const GRANULARITY = 0x800000;

export const isNull = (selector: number): boolean => (selector & 0xfffc) === 0;
/** Selector error code: index and table, EXT and IDT clear. */
export const errorCodeOf = (selector: number): number => selector & 0xfffc;
export const rplOf = (selector: number): number => selector & 3;

export const dplOf = (attr: number): number => (attr >> 5) & 3;
export const isPresent = (attr: number): boolean => (attr & 0x80) !== 0;
export const isSystem = (attr: number): boolean => (attr & 0x10) === 0;
export const isCode = (attr: number): boolean => (attr & 0x18) === 0x18;
export const isConforming = (attr: number): boolean => (attr & 0x1c) === 0x1c;
export const isWritable = (attr: number): boolean => (attr & 0x1a) === 0x12;
/** Data, or code that may be read. */
export const isReadable = (attr: number): boolean => (attr & 0x18) === 0x10 || (attr & 0x1a) === 0x1a;
/** Data whose valid offsets lie above the limit. */
export const isExpandDown = (attr: number): boolean => (attr & 0x1c) === 0x14;
/** D/B: 32-bit code, 32-bit stack. */
export const isBig = (attr: number): boolean => (attr & 0x4000) !== 0;

/** Descriptor from its two words. */
export function unpack(selector: number, low: number, high: number): Descriptor {
  const base = ((low >>> 16) | ((high & 0xff) << 16) | (high & 0xff000000)) >>> 0;
  const units = (low & 0xffff) | (high & 0xf0000);
  const limit = high & GRANULARITY ? ((units << 12) | 0xfff) >>> 0 : units;
  return { selector, base, limit, attr: (high >>> 8) & ATTR_MASK, high };
}

/**
 * Reads the descriptor of a selector that is not null.
 * @returns null when it lies beyond its table; or the status of a page fault
 */
export function lookUp(cpu: HelperCpu, selector: number): Descriptor | null | HelperStatus {
  const words = cpu.scratch;
  const result = cpu.bus.readDescriptor(selector, words);
  if (result < 0) return cpu.pageFault(words[0]!, -1 - result);
  if (result > 0) return null;
  return unpack(selector, words[0]!, words[1]!);
}

/** The same, with #GP(selector) beyond the table. */
export function fetchDescriptor(cpu: HelperCpu, selector: number): Descriptor | HelperStatus {
  return lookUp(cpu, selector) ?? cpu.fault(Vector.GP, errorCodeOf(selector));
}

/** Loads a checked descriptor, and marks it accessed in its table. */
export function install(cpu: HelperCpu, i: number, selector: number, d: Descriptor): void {
  if (!(d.attr & ACCESSED)) cpu.bus.setAccessed(selector);
  cpu.seg.setRaw(i, selector, d.base, d.limit, d.attr | ACCESSED);
  cpu.descriptors.remember(selector);
}

/** The same for one of several changes: see SegmentFile.store. */
export function stage(cpu: HelperCpu, i: number, selector: number, d: Descriptor): void {
  if (!(d.attr & ACCESSED)) cpu.bus.setAccessed(selector);
  cpu.seg.store(i, selector, d.base, d.limit, d.attr | ACCESSED);
  cpu.descriptors.remember(selector);
}
