import { GNTST_bad_gntref, GNTST_bad_page, GNTST_general_error, GNTST_okay } from '@domu/xen-abi';
import type { PinKind } from './active-entry.ts';
import type { GrantTable } from './grant-table.ts';

/** Who wants to hold which grant, and how. */
export interface PinRequest {
  readonly ref: number;
  /** Domain that will hold it. */
  readonly holder: number;
  readonly readonly: boolean;
  /** A mapping covers the whole page; a copy may use a sub-page grant. */
  readonly forMap: boolean;
}

/**
 * Pins a grant: checks the shared entry as far as the pins that exist do not already vouch for it, sets GTF_reading and
 * GTF_writing, and on the first pin fixes holder and frame. Takes no reference to the frame.
 * @returns GNTST_okay; GNTST_bad_gntref, GNTST_bad_page, GNTST_general_error: nothing has changed
 */
export function pinGrant(grantor: GrantTable, request: PinRequest, kinds: readonly PinKind[]): number {
  const { ref, holder, readonly } = request;
  if (ref >= grantor.nrEntries) return GNTST_bad_gntref;
  const active = grantor.active(ref);
  if (active.pinned && (active.domid !== holder || active.wouldOverflow(kinds))) return GNTST_general_error;
  if (!active.pinned || (!readonly && !active.pinnedForWriting)) {
    const status = grantor.setStatus(ref, request);
    if (status !== GNTST_okay) return status;
  }
  if (!active.pinned) {
    const mfn = grantor.frames.getPageFromGfn(grantor.domid, grantor.sharedGfn(ref));
    if (mfn < 0) {
      grantor.reduceStatus(ref, readonly);
      return GNTST_bad_page;
    }
    grantor.frames.putPage(mfn);
    active.domid = holder;
    active.mfn = mfn;
  }
  active.take(kinds);
  return GNTST_okay;
}

/** Undoes one `pinGrant`. */
export function unpinGrant(
  grantor: GrantTable,
  ref: number,
  held: { kinds: readonly PinKind[]; readonly: boolean },
): void {
  grantor.active(ref).drop(held.kinds);
  grantor.reduceStatus(ref, held.readonly);
}
