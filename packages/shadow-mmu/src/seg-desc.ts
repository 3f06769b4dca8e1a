import {
  FIRST_RESERVED_GDT_ENTRY,
  FLAT_KERNEL_CS,
  HYPERVISOR_VIRT_START_PAE,
  XEN_EINVAL,
} from '@domu/xen-abi';
import { PGT_seg_desc_page, PGT_writable_page } from './page-type.ts';
import type { TableContext } from './table-context.ts';

const SEGMENT_P = 1 << 15;
const SEGMENT_DPL = 3 << 13;
const SEGMENT_S = 1 << 12;
const SEGMENT_TYPE = 15 << 8;
const SEGMENT_L = 1 << 21;
const SEGMENT_G = 1 << 23;
const CALL_GATE_32 = 12 << 8;
/** Bits of a 32-bit call gate's high word that must be 0. */
const GATE_RESERVED = 0xe0;
const GUEST_KERNEL_RPL = 1;
const NR_DESCRIPTORS = 512;

/** Outcome of `checkDescriptor`; `lo` and `hi` are what to store. */
export interface CheckedDescriptor {
  readonly ok: boolean;
  readonly lo: number;
  readonly hi: number;
}

function gateSelectorOkay(selector: number): boolean {
  return (
    selector >>> 3 < FIRST_RESERVED_GDT_ENTRY ||
    selector === FLAT_KERNEL_CS /* the only one of Xen's that a gate may name */ ||
    (selector & 4) !== 0
  );
}

/**
 * Checks a descriptor that a guest puts into a GDT or LDT, and makes it harmless: DPL 0 becomes 1; a flat segment that ends
 * inside the hypervisor's window is stretched to 4 GiB; a call gate gets DPL 0, so that every use of it faults, and keeps its
 * own DPL in the selector.
 * @returns ok false: 64-bit code, a system descriptor other than a call gate, or a gate to one of Xen's segments
 * Source: xen/arch/x86/pv/descriptor-tables.c, "check_descriptor" @ RELEASE-4.18.0
 */
export function checkDescriptor(
  lo: number,
  hi: number,
  hypervisorVirtStart: number = HYPERVISOR_VIRT_START_PAE,
): CheckedDescriptor {
  const bad = { ok: false, lo, hi };
  // One that is not present faults whatever else it says.
  if (!(hi & SEGMENT_P)) return { ok: true, lo: lo >>> 0, hi: hi >>> 0 };
  const dpl = Math.max((hi & SEGMENT_DPL) >>> 13, GUEST_KERNEL_RPL);
  let a = lo;
  let b = (hi & ~SEGMENT_DPL) | (dpl << 13);
  if (b & SEGMENT_S) {
    if (b & SEGMENT_L) return bad;
    const base = (b & 0xff00_0000) | ((b & 0xff) << 16) | (a >>> 16);
    const units = ((b & 0xf_0000) | (a & 0xffff)) + 1;
    if (base === 0 && units * (b & SEGMENT_G ? 4096 : 1) > hypervisorVirtStart) {
      a |= 0xffff;
      b |= 0xf_0000;
    }
    return { ok: true, lo: a >>> 0, hi: b >>> 0 };
  }
  const type = b & SEGMENT_TYPE;
  if (type === 0) return { ok: true, lo: lo >>> 0, hi: hi >>> 0 };
  const selector = a >>> 16;
  if (type !== CALL_GATE_32 || !gateSelectorOkay(selector)) return bad;
  b &= ~SEGMENT_DPL;
  a = (a & 0xffff) | (((selector & ~3) | dpl) << 16);
  if (b & GATE_RESERVED) return bad;
  return { ok: true, lo: a >>> 0, hi: b >>> 0 };
}

/** Checks and rewrites the 512 descriptors of a frame. @returns 0, or -XEN_EINVAL at the first bad one */
export function promoteSegDesc(
  ctx: TableContext & { readonly hypervisorVirtStart: number },
  mfn: number,
): number {
  const u32 = ctx.memory.u32;
  for (let i = 0; i < NR_DESCRIPTORS; i++) {
    const index = mfn * 1024 + i * 2;
    const checked = checkDescriptor(u32[index], u32[index + 1], ctx.hypervisorVirtStart);
    if (!checked.ok) return -XEN_EINVAL;
    u32[index] = checked.lo;
    u32[index + 1] = checked.hi;
  }
  return 0;
}

/**
 * Stores one descriptor (update_descriptor).
 * @param maddrLo machine address of the descriptor, 8-byte aligned, with its high word `maddrHi`
 * @returns 0, or -XEN_EINVAL: misaligned, bad descriptor, not the domain's frame, or the frame serves as a page table
 * Source: xen/arch/x86/pv/descriptor-tables.c, "do_update_descriptor" @ RELEASE-4.18.0
 */
export function updateDescriptor(
  ctx: TableContext & { readonly hypervisorVirtStart: number },
  maddrLo: number,
  maddrHi: number,
  lo: number,
  hi: number,
): number {
  const { frames } = ctx;
  const checked = checkDescriptor(lo, hi, ctx.hypervisorVirtStart);
  const mfn = maddrHi === 0 ? maddrLo >>> 12 : -1;
  if (maddrLo & 7 || !checked.ok || !frames.getPage(mfn, ctx.domid)) return -XEN_EINVAL;
  const type = frames.type(mfn) === PGT_seg_desc_page ? PGT_seg_desc_page : PGT_writable_page;
  const errno = frames.getPageType(mfn, type);
  if (errno === 0) {
    const index = mfn * 1024 + ((maddrLo & 0xfff) >>> 2);
    ctx.memory.u32[index] = checked.lo;
    ctx.memory.u32[index + 1] = checked.hi;
    frames.putPageType(mfn);
  }
  frames.putPage(mfn);
  return errno === 0 ? 0 : -XEN_EINVAL;
}
