import {
  GNTST_bad_gntref,
  GNTST_eagain,
  GNTST_okay,
  GNTTAB_CACHE_CLEAN,
  GNTTAB_CACHE_INVAL,
  XEN_EINVAL,
  XEN_EOPNOTSUPP,
  XEN_EPERM,
} from '@domu/xen-abi';
import type { GrantTable } from './grant-table.ts';

const PAGE_BYTES = 4096;

/**
 * Exchanges two entries of a domain's own (GNTTABOP_swap_grant_ref).
 * @returns GNTST_okay; GNTST_bad_gntref beyond the table, GNTST_eagain one of them is in use
 * Source: xen/common/grant_table.c, "swap_grant_ref" @ RELEASE-4.18.0
 */
export function swapGrantRefs(table: GrantTable, a: number, b: number): number {
  const { entries, nrEntries } = table;
  if (a >= nrEntries || b >= nrEntries) return GNTST_bad_gntref;
  if (a === b) return GNTST_okay;
  if (table.isPinned(a) || table.isPinned(b)) return GNTST_eagain;
  const [first, second] = [entries.read(a), entries.read(b)];
  const [firstStatus, secondStatus] = [entries.status(a), entries.status(b)];
  entries.write(a, second);
  entries.write(b, first);
  entries.setStatus(a, secondStatus);
  entries.setStatus(b, firstStatus);
  return GNTST_okay;
}

/** One GNTTABOP_cache_flush request, copied out of the guest. */
export interface CacheFlush {
  /** Machine address of the page; u64 as a number. */
  readonly devBusAddr: number;
  readonly offset: number;
  readonly lengthBytes: number;
  /** GNTTAB_CACHE_* */
  readonly op: number;
}

/**
 * Cleans or invalidates cache lines of a frame of the caller's, or of one that it maps (GNTTABOP_cache_flush). There is no
 * cache that anybody could see, so only the refusals remain.
 * @returns 0; -EINVAL a range, operation or frame that will not do, -EPERM nobody's frame, -EOPNOTSUPP invalidating without
 *   cleaning, which x86 cannot
 * Source: xen/common/grant_table.c, "_cache_flush"; xen/arch/x86/include/asm/flushtlb.h @ RELEASE-4.18.0
 */
export function cacheFlush(table: GrantTable, request: CacheFlush): number {
  const { devBusAddr, offset, lengthBytes, op } = request;
  if (offset + lengthBytes > PAGE_BYTES || offset >= PAGE_BYTES) return -XEN_EINVAL;
  if ((op & ~(GNTTAB_CACHE_INVAL | GNTTAB_CACHE_CLEAN)) !== 0) return -XEN_EINVAL;
  if (lengthBytes === 0 || op === 0) return 0;
  const mfn = Math.floor(devBusAddr / PAGE_BYTES);
  const owner = table.frames.ownerOf(mfn);
  if (owner === -2) return -XEN_EINVAL;
  if (owner < 0) return -XEN_EPERM;
  if (owner !== table.domid && !table.maptrack.maps(mfn)) return -XEN_EINVAL;
  return op === GNTTAB_CACHE_INVAL ? -XEN_EOPNOTSUPP : 0;
}
