/**
 * Page-table updates and page-table entry bits.
 * Source: xen/include/public/xen.h @ RELEASE-4.18.0
 */
import { nested, ptr, struct, u32, u64, ulong, union } from './struct.ts';

/** mmu_update.ptr low bits: checked `*ptr = val`; ptr is a machine address. */
export const MMU_NORMAL_PT_UPDATE = 0;
/** mmu_update.ptr low bits: set the M2P entry of ptr's frame to val. */
export const MMU_MACHPHYS_UPDATE = 1;
/** mmu_update.ptr low bits: as 0, but the entry keeps its A and D bits. */
export const MMU_PT_UPDATE_PRESERVE_AD = 2;
/** mmu_update.ptr low bits: as 0; val is not translated. */
export const MMU_PT_UPDATE_NO_TRANSLATE = 3;

export const MMUEXT_PIN_L1_TABLE = 0;
export const MMUEXT_PIN_L2_TABLE = 1;
export const MMUEXT_PIN_L3_TABLE = 2;
export const MMUEXT_PIN_L4_TABLE = 3;
export const MMUEXT_UNPIN_TABLE = 4;
export const MMUEXT_NEW_BASEPTR = 5;
export const MMUEXT_TLB_FLUSH_LOCAL = 6;
export const MMUEXT_INVLPG_LOCAL = 7;
export const MMUEXT_TLB_FLUSH_MULTI = 8;
export const MMUEXT_INVLPG_MULTI = 9;
export const MMUEXT_TLB_FLUSH_ALL = 10;
export const MMUEXT_INVLPG_ALL = 11;
export const MMUEXT_FLUSH_CACHE = 12;
export const MMUEXT_SET_LDT = 13;
export const MMUEXT_NEW_USER_BASEPTR = 15;
export const MMUEXT_CLEAR_PAGE = 16;
export const MMUEXT_COPY_PAGE = 17;
export const MMUEXT_FLUSH_CACHE_GLOBAL = 18;
export const MMUEXT_MARK_SUPER = 19;
export const MMUEXT_UNMARK_SUPER = 20;
/** Commands of mmuext_op, by name. */
export const MMUEXT = {
  MMUEXT_PIN_L1_TABLE,
  MMUEXT_PIN_L2_TABLE,
  MMUEXT_PIN_L3_TABLE,
  MMUEXT_PIN_L4_TABLE,
  MMUEXT_UNPIN_TABLE,
  MMUEXT_NEW_BASEPTR,
  MMUEXT_TLB_FLUSH_LOCAL,
  MMUEXT_INVLPG_LOCAL,
  MMUEXT_TLB_FLUSH_MULTI,
  MMUEXT_INVLPG_MULTI,
  MMUEXT_TLB_FLUSH_ALL,
  MMUEXT_INVLPG_ALL,
  MMUEXT_FLUSH_CACHE,
  MMUEXT_SET_LDT,
  MMUEXT_NEW_USER_BASEPTR,
  MMUEXT_CLEAR_PAGE,
  MMUEXT_COPY_PAGE,
  MMUEXT_FLUSH_CACHE_GLOBAL,
  MMUEXT_MARK_SUPER,
  MMUEXT_UNMARK_SUPER,
} as const;

/** update_va_mapping flags: what to flush ... */
export const UVMF_NONE = 0;
export const UVMF_TLB_FLUSH = 1;
export const UVMF_INVLPG = 2;
export const UVMF_FLUSHTYPE_MASK = 3;
/** ... and where: the vCPUs of a bitmap whose linear address is in the upper bits, */
export const UVMF_MULTI = 0;
/** this vCPU (same value: no bitmap address), */
export const UVMF_LOCAL = 0;
/** or all of the domain's. */
export const UVMF_ALL = 4;

/** Page-table entry bits (hardware). Source: Intel SDM vol. 3A, ch. 4 */
export const _PAGE_PRESENT = 0x001;
export const _PAGE_RW = 0x002;
export const _PAGE_USER = 0x004;
export const _PAGE_PWT = 0x008;
export const _PAGE_PCD = 0x010;
export const _PAGE_ACCESSED = 0x020;
export const _PAGE_DIRTY = 0x040;
/** In a leaf of level 1. */
export const _PAGE_PAT = 0x080;
/** In an entry of level 2. */
export const _PAGE_PSE = 0x080;
export const _PAGE_GLOBAL = 0x100;
/** The three bits hardware leaves to software. */
export const _PAGE_AVAIL = 0xe00;
/** No-execute, as a bit of the upper half of a PAE entry. */
export const _PAGE_NX_HI = 0x8000_0000;

/** Bit 31 of the count of mmu_update and mmuext_op: the call resumes a preempted one. */
export const MMU_UPDATE_PREEMPTED = 0x8000_0000;

/** struct mmu_update: one request of the mmu_update hypercall. */
export const MmuUpdate = struct('mmu_update', {
  ptr: u64, // machine address | MMU_*
  val: u64, // new entry
});

/** struct mmuext_op. */
export const MmuextOp = struct('mmuext_op', {
  cmd: u32, // MMUEXT_*
  arg1: nested(union('', { mfn: ulong, linear_addr: ulong })),
  arg2: nested(union('', { nr_ents: u32, vcpumask: ptr, src_mfn: ulong })),
});
