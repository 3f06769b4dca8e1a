import { _PAGE_ACCESSED, _PAGE_DIRTY, _PAGE_PRESENT, _PAGE_RW, _PAGE_USER } from '@domu/xen-abi';
import type { GrantMapping, GrantMapRequest } from './grant-map.ts';
import { PGT_writable_page } from './page-type.ts';
import { PHYSMAP_GRANT, PHYSMAP_READONLY, physmapMfn } from './physmap.ts';
import { pteMfn } from './pte.ts';
import { canBeTable, findGuestL1Entry, type TranslatedContext } from './walk-translated.ts';

function findSlot(ctx: TranslatedContext, where: GrantMapping): number {
  if (where.hostAddrHi !== 0) return -1;
  const address = where.hostAddrLo >>> 0;
  if (!where.containsPte) return findGuestL1Entry(ctx, where.root, address);
  if (address & (ctx.pae ? 7 : 3)) return -1;
  const mfn = ctx.physmap.ram(address >>> 12);
  return canBeTable(ctx, mfn) ? mfn * 1024 + ((address & 0xfff) >>> 2) : -1;
}

function dropFrame({ frames }: TranslatedContext, { frame, readonly }: GrantMapping): void {
  if (readonly) frames.putPage(frame);
  else frames.putPageAndType(frame);
}

function store(ctx: TranslatedContext, index: number, lo: number, hi: number): void {
  ctx.memory.u32[index] = lo;
  if (ctx.pae) ctx.memory.u32[index + 1] = hi;
}

/**
 * Maps another domain's frame (the host mapping of GNTTABOP_map_grant_ref): gives it a gfn of Xen's choosing, which holds
 * the references, and writes that into an L1 entry.
 * @returns false, with nothing changed: no such slot; not the grantor's frame; writable and in use as descriptors; or too
 *   many mappings
 */
export function mapGuestGrant(ctx: TranslatedContext, request: GrantMapRequest): boolean {
  const { frames, physmap } = ctx;
  const { frame, readonly } = request;
  const index = findSlot(ctx, request);
  if (index < 0 || !frames.getPage(frame, request.owner)) return false;
  if (!readonly && frames.getPageType(frame, PGT_writable_page) !== 0) {
    frames.putPage(frame);
    return false;
  }
  const gfn = physmap.addGrant(frame, readonly);
  if (gfn < 0) {
    dropFrame(ctx, request);
    return false;
  }
  let lo = (gfn * 4096) | _PAGE_PRESENT | _PAGE_ACCESSED | _PAGE_DIRTY | ((request.availBits & 7) << 9);
  if (!readonly) lo |= _PAGE_RW;
  if (request.applicationMap) lo |= _PAGE_USER;
  store(ctx, index, lo, 0);
  frames.flushTlb();
  return true;
}

/**
 * Ends a grant mapping: the L1 entry is cleared, the gfn is gone from wherever else the guest may have written it, and the
 * TLB is flushed before the references are given back.
 * @param newLinear GNTTABOP_unmap_and_replace: the entry that maps this linear address moves into the slot; 0: none
 * @returns false, with nothing changed: the slot is gone or holds something else, or nothing can be moved
 */
export function unmapGuestGrant(ctx: TranslatedContext, where: GrantMapping, newLinear: number): boolean {
  const { u32 } = ctx.memory;
  const index = findSlot(ctx, where);
  if (index < 0 || !(u32[index] & _PAGE_PRESENT)) return false;
  const gfn = pteMfn(u32[index], ctx.pae ? u32[index + 1] : 0);
  const entry = ctx.physmap.entry(gfn);
  const kind = PHYSMAP_GRANT | (where.readonly ? PHYSMAP_READONLY : 0);
  if ((entry & (PHYSMAP_GRANT | PHYSMAP_READONLY)) !== kind || physmapMfn(entry) !== where.frame)
    return false;
  let from = -1;
  if (newLinear !== 0) {
    from = where.containsPte ? -1 : findGuestL1Entry(ctx, where.root, newLinear);
    if (from < 0) return false;
  }
  const newLo = from < 0 ? 0 : u32[from];
  const newHi = from < 0 || !ctx.pae ? 0 : u32[from + 1];
  if (from >= 0) store(ctx, from, 0, 0);
  store(ctx, index, newLo, newHi);
  ctx.physmap.removeGrant(gfn);
  ctx.frames.flushTlb();
  dropFrame(ctx, where);
  return true;
}
