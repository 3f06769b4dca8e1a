import { _PAGE_ACCESSED, _PAGE_DIRTY, _PAGE_NX_HI, _PAGE_PRESENT, _PAGE_RW, _PAGE_USER } from '@domu/xen-abi';
import { findOwnL1Entry, isOwnL1Table } from './mmu-update.ts';
import { PGT_writable_page } from './page-type.ts';
import { pteMfn } from './pte.ts';
import { readHi, writeEntry } from './table-context.ts';
import { putPageFromL1e } from './validate-l1.ts';
import type { WalkContext } from './walk.ts';

/** Where and how a granted frame is mapped. */
export interface GrantMapping {
  /** The vCPU's root table; used when `containsPte` is false. */
  readonly root: number;
  /** Low and high word of the host address: a linear address, or with `containsPte` the machine address of an L1 entry. */
  readonly hostAddrLo: number;
  readonly hostAddrHi: number;
  readonly containsPte: boolean;
  readonly readonly: boolean;
  /** The granted frame. */
  readonly frame: number;
}

/** A request to map: besides the place, the grantor and the entry's flags. */
export interface GrantMapRequest extends GrantMapping {
  /** The grantor, owner of the frame. */
  readonly owner: number;
  /** GNTMAP_application_map: user accesses are allowed. */
  readonly applicationMap: boolean;
  /** AVL bits for the entry (3 bits), from the GNTMAP_guest_avail flags. */
  readonly availBits: number;
}

function findSlot(ctx: WalkContext, where: GrantMapping): number {
  if (where.hostAddrHi !== 0) return -1;
  const address = where.hostAddrLo >>> 0;
  if (!where.containsPte) return findOwnL1Entry(ctx, where.root, address);
  if (address & (ctx.pae ? 7 : 3) || !isOwnL1Table(ctx, address >>> 12)) return -1;
  return address >>> 2;
}

/**
 * Maps another domain's frame into an L1 entry (the host mapping of GNTTABOP_map_grant_ref). The entry then holds the
 * references: whatever removes it, `unmapGrant`, a plain page-table update or the release of its table, gives them back.
 * What the slot held before is given back as well.
 * @returns false, with nothing changed: no such slot; not the grantor's frame; or writable and in use as a table
 * Source: xen/arch/x86/pv/grant_table.c, "create_grant_pv_mapping" @ RELEASE-4.18.0
 */
export function mapGrant(ctx: WalkContext, request: GrantMapRequest): boolean {
  const { frames } = ctx;
  const { frame } = request;
  if (!frames.getPage(frame, request.owner)) return false;
  if (!request.readonly && frames.getPageType(frame, PGT_writable_page) !== 0) {
    frames.putPage(frame);
    return false;
  }
  // Looked up last: taking the type may have changed nothing here, but the slot must be judged as it is now.
  const index = findSlot(ctx, request);
  if (index < 0) {
    if (request.readonly) frames.putPage(frame);
    else frames.putPageAndType(frame);
    return false;
  }
  let lo = (frame * 4096) | _PAGE_PRESENT | _PAGE_ACCESSED | _PAGE_DIRTY | ((request.availBits & 7) << 9);
  if (!request.readonly) lo |= _PAGE_RW;
  if (request.applicationMap) lo |= _PAGE_USER;
  const oldLo = ctx.memory.u32[index];
  const oldHi = readHi(ctx, index);
  writeEntry(ctx, index, lo, _PAGE_NX_HI, false);
  putPageFromL1e(ctx, oldLo, oldHi);
  return true;
}

/**
 * Removes a grant mapping and flushes the TLB. The entry must still map the frame with the same rights.
 * @param newLinear GNTTABOP_unmap_and_replace: the entry that maps this linear address moves into the slot; 0: none
 * @returns false: the slot is gone or holds something else (then the frame's references went with what replaced it), or
 *   nothing can be moved from `newLinear`
 * Source: xen/arch/x86/pv/grant_table.c, "replace_grant_pv_mapping" @ RELEASE-4.18.0
 */
export function unmapGrant(ctx: WalkContext, where: GrantMapping, newLinear: number = 0): boolean {
  const u32 = ctx.memory.u32;
  let newLo = 0;
  let newHi = 0;
  if (newLinear !== 0) {
    const from = where.containsPte ? -1 : findOwnL1Entry(ctx, where.root, newLinear >>> 0);
    if (from < 0) return false;
    newLo = u32[from];
    newHi = readHi(ctx, from);
    writeEntry(ctx, from, 0, 0, false);
  }
  const index = findSlot(ctx, where);
  const lo = index < 0 ? 0 : u32[index];
  const hi = index < 0 ? 0 : readHi(ctx, index);
  const rights = where.readonly ? _PAGE_PRESENT : _PAGE_PRESENT | _PAGE_RW;
  const matches = (lo & (_PAGE_PRESENT | _PAGE_RW)) === rights && pteMfn(lo, hi) === where.frame;
  if (matches) {
    writeEntry(ctx, index, newLo, newHi, false);
    putPageFromL1e(ctx, lo, hi);
  } else {
    putPageFromL1e(ctx, newLo, newHi);
  }
  ctx.frames.flushTlb();
  return matches;
}
