import { Access, PAGE_WRITABLE } from '@domu/x86-cpu';
import { _PAGE_ACCESSED, _PAGE_DIRTY, _PAGE_NX_HI, _PAGE_PRESENT, _PAGE_RW, _PAGE_USER } from '@domu/xen-abi';
import type { M2P } from './m2p.ts';
import { PTE_FRAME_HI } from './pte.ts';
import type { TableContext } from './table-context.ts';

export const PF_PRESENT = 1;
const PF_WRITE = 2;
const PF_USER = 4;
const PF_RESERVED = 8;
const PF_FETCH = 16;

/** What every walk needs: the hypervisor's window, and what a page-fault error code may say. */
export interface WindowContext {
  readonly m2p: M2P;
  /** HYPERVISOR_VIRT_START: linear addresses from here on are Xen's. */
  readonly hypervisorVirtStart: number;
  readonly pae: boolean;
}

/** What a walk needs besides the tables. */
export interface WalkContext extends TableContext, WindowContext {}

/** @returns -1 - error code of a failed access; `cause` holds the bits that are not about the access itself */
export function fault(ctx: WindowContext, cause: number, access: number, user: boolean): number {
  let code = cause;
  if (access === Access.Write) code |= PF_WRITE;
  if (user) code |= PF_USER;
  if (access === Access.Execute && ctx.pae) code |= PF_FETCH;
  return -1 - code;
}

/** The hypervisor's window: the machine-to-phys table, readable by the kernel; nothing else. */
export function translateWindow(ctx: WindowContext, linear: number, access: number, user: boolean): number {
  const page = (linear - ctx.hypervisorVirtStart) >>> 12;
  if (page >= ctx.m2p.nrFrames) return fault(ctx, 0, access, user);
  if (user || access === Access.Write) return fault(ctx, PF_PRESENT, access, user);
  return (ctx.m2p.firstMfn + page) * 4096;
}

/**
 * Walks the page tables for one access, as the processor does with CR0.WP (and in PAE EFER.NXE) set, and sets the accessed
 * and dirty bits of the entries used.
 * @param root   frame of the root table (L3 in PAE, else L2)
 * @param linear unsigned 32-bit linear address
 * @param access 0 read, 1 write, 2 execute, 3 probe
 * @param user   whether the access counts as the user's (CPL 3)
 * @returns the page's machine address, plus PAGE_WRITABLE when writes are allowed and D is set; or -1 - error code
 */
export function translate(
  ctx: WalkContext,
  root: number,
  linear: number,
  access: number,
  user: boolean,
): number {
  if (linear >= ctx.hypervisorVirtStart) return translateWindow(ctx, linear, access, user);
  if (!ctx.frames.isValid(root)) return fault(ctx, 0, access, user);
  return ctx.pae
    ? translatePae(ctx, root, linear, access, user)
    : translateClassic(ctx, root, linear, access, user);
}

function translatePae(ctx: WalkContext, root: number, linear: number, access: number, user: boolean): number {
  const u32 = ctx.memory.u32;
  const nrFrames = ctx.frames.nrFrames;
  const i3 = root * 1024 + (linear >>> 30) * 2;
  const l3 = u32[i3];
  if (!(l3 & _PAGE_PRESENT)) return fault(ctx, 0, access, user);
  if (u32[i3 + 1] & PTE_FRAME_HI || l3 >>> 12 >= nrFrames)
    return fault(ctx, PF_PRESENT | PF_RESERVED, access, user);

  const i2 = (l3 >>> 12) * 1024 + ((linear >>> 21) & 511) * 2;
  const l2 = u32[i2];
  const l2hi = u32[i2 + 1];
  if (!(l2 & _PAGE_PRESENT)) return fault(ctx, 0, access, user);
  if (l2hi & PTE_FRAME_HI || l2 >>> 12 >= nrFrames) return fault(ctx, PF_PRESENT | PF_RESERVED, access, user);

  const i1 = (l2 >>> 12) * 1024 + ((linear >>> 12) & 511) * 2;
  const l1 = u32[i1];
  const l1hi = u32[i1 + 1];
  if (!(l1 & _PAGE_PRESENT)) return fault(ctx, 0, access, user);
  if (l1hi & PTE_FRAME_HI || l1 >>> 12 >= nrFrames) return fault(ctx, PF_PRESENT | PF_RESERVED, access, user);

  if (access >= Access.Execute && (l2hi | l1hi) & _PAGE_NX_HI) return fault(ctx, PF_PRESENT, access, user);
  const rights = l2 & l1;
  if ((user && !(rights & _PAGE_USER)) || (access === Access.Write && !(rights & _PAGE_RW))) {
    return fault(ctx, PF_PRESENT, access, user);
  }
  if (access === Access.Probe && !(l3 & rights & _PAGE_ACCESSED)) return fault(ctx, PF_PRESENT, access, user);
  if (!(l3 & _PAGE_ACCESSED)) u32[i3] = l3 | _PAGE_ACCESSED;
  if (!(l2 & _PAGE_ACCESSED)) u32[i2] = l2 | _PAGE_ACCESSED;
  return finish(u32, i1, access, rights);
}

function translateClassic(
  ctx: WalkContext,
  root: number,
  linear: number,
  access: number,
  user: boolean,
): number {
  const u32 = ctx.memory.u32;
  const nrFrames = ctx.frames.nrFrames;
  const i2 = root * 1024 + (linear >>> 22);
  const l2 = u32[i2];
  if (!(l2 & _PAGE_PRESENT)) return fault(ctx, 0, access, user);
  if (l2 >>> 12 >= nrFrames) return fault(ctx, PF_PRESENT | PF_RESERVED, access, user);
  const i1 = (l2 >>> 12) * 1024 + ((linear >>> 12) & 1023);
  const l1 = u32[i1];
  if (!(l1 & _PAGE_PRESENT)) return fault(ctx, 0, access, user);
  if (l1 >>> 12 >= nrFrames) return fault(ctx, PF_PRESENT | PF_RESERVED, access, user);
  const rights = l2 & l1;
  if ((user && !(rights & _PAGE_USER)) || (access === Access.Write && !(rights & _PAGE_RW))) {
    return fault(ctx, PF_PRESENT, access, user);
  }
  if (access === Access.Probe && !(rights & _PAGE_ACCESSED)) return fault(ctx, PF_PRESENT, access, user);
  if (!(l2 & _PAGE_ACCESSED)) u32[i2] = l2 | _PAGE_ACCESSED;
  return finish(u32, i1, access, rights);
}

function finish(u32: Uint32Array, i1: number, access: number, rights: number): number {
  // Read again: through a linear page table the L1 entry may be the L2 entry just marked.
  const l1 = u32[i1];
  const marked = l1 | (access === Access.Write ? _PAGE_ACCESSED | _PAGE_DIRTY : _PAGE_ACCESSED);
  if (marked !== l1) u32[i1] = marked;
  return (l1 >>> 12) * 4096 + (rights & _PAGE_RW && marked & _PAGE_DIRTY ? PAGE_WRITABLE : 0);
}

/**
 * Finds the L1 entry that maps a linear address, whether or not it is present.
 * @returns index of its low word in `memory.u32`, or -1 when there is no L1 table or the address is Xen's
 */
export function findL1Entry(ctx: WalkContext, root: number, linear: number): number {
  if (linear >= ctx.hypervisorVirtStart || !ctx.frames.isValid(root)) return -1;
  const u32 = ctx.memory.u32;
  let l2mfn = root;
  if (ctx.pae) {
    const l3 = u32[root * 1024 + (linear >>> 30) * 2];
    if (!(l3 & _PAGE_PRESENT)) return -1;
    l2mfn = l3 >>> 12;
    if (!ctx.frames.isValid(l2mfn)) return -1;
  }
  const i2 = l2mfn * 1024 + (ctx.pae ? ((linear >>> 21) & 511) * 2 : linear >>> 22);
  const l2 = u32[i2];
  if (!(l2 & _PAGE_PRESENT) || !ctx.frames.isValid(l2 >>> 12)) return -1;
  return (l2 >>> 12) * 1024 + (ctx.pae ? ((linear >>> 12) & 511) * 2 : (linear >>> 12) & 1023);
}
