import {
  GNTST_bad_domain,
  GNTST_bad_gntref,
  GNTST_bad_page,
  GNTST_eagain,
  GNTST_general_error,
  GNTST_okay,
} from '@domu/xen-abi';
import { type GrantedRange, type PinKind, wholePage } from './active-entry.ts';
import type { GrantTable } from './grant-table.ts';

/** Who wants to hold which grant, and how. */
export interface PinRequest {
  readonly ref: number;
  /** Domain that will hold it. */
  readonly holder: number;
  readonly readonly: boolean;
}

/**
 * Pins a grant for a mapping: checks the shared entry as far as the pins that exist do not already vouch for it, sets the
 * reading and writing bits, and on the first pin fixes holder and frame. Takes no reference to the frame.
 * @returns GNTST_okay; GNTST_bad_gntref, GNTST_bad_page, GNTST_general_error: nothing has changed
 * Source: xen/common/grant_table.c, "map_grant_ref" @ RELEASE-4.18.0
 */
export function pinForMap(grantor: GrantTable, request: PinRequest, kinds: readonly PinKind[]): number {
  const { ref, holder, readonly } = request;
  if (ref >= grantor.nrEntries) return GNTST_bad_gntref;
  const active = grantor.active(ref);
  const { pinned } = active;
  if (pinned && (active.domid !== holder || active.wouldOverflow(kinds) || active.range.isSubPage))
    return GNTST_general_error;
  if (!pinned || (!readonly && !active.pinnedForWriting)) {
    const status = grantor.admit(ref, { holder, readonly, forMap: true });
    if (status !== GNTST_okay) return status;
  }
  if (!pinned) {
    const mfn = frameOf(grantor, ref);
    if (mfn < 0) {
      grantor.reduceStatus(ref, readonly);
      return GNTST_bad_page;
    }
    active.domid = holder;
    active.range = wholePage(mfn);
  }
  active.take(kinds);
  return GNTST_okay;
}

/** Undoes one `pinForMap`. */
export function unpin(
  grantor: GrantTable,
  ref: number,
  held: { kinds: readonly PinKind[]; readonly: boolean },
): void {
  grantor.active(ref).drop(held.kinds);
  grantor.reduceStatus(ref, held.readonly);
}

/** A grant pinned for the time of a copy. */
export interface CopyPin {
  readonly range: GrantedRange;
  /** The domain whose frame it is: the grantor, or who granted it to the grantor. */
  readonly owner: number;
  release(): void;
}

/**
 * Pins a grant for a copy: a whole page, a part of one, or a grant that the grantor got from elsewhere and passes on.
 * @param transitive whether a grant that is passed on will do: it can be passed on once
 * @returns the pin; GNTST_bad_gntref, GNTST_bad_page, GNTST_bad_domain, GNTST_general_error, GNTST_eagain: nothing has changed
 * Source: xen/common/grant_table.c, "acquire_grant_for_copy" @ RELEASE-4.18.0
 */
export function pinForCopy(grantor: GrantTable, request: PinRequest, transitive = true): CopyPin | number {
  const { ref, holder, readonly } = request;
  if (ref >= grantor.nrEntries) return GNTST_bad_gntref;
  const kinds: readonly PinKind[] = [readonly ? 'hstr' : 'hstw'];
  const active = grantor.active(ref);
  const { pinned } = active;
  if (pinned && (active.domid !== holder || active.wouldOverflow(kinds))) return GNTST_general_error;
  const passedOn = grantor.entries.isTransitive(ref);
  if (!pinned || (!readonly && !active.pinnedForWriting)) {
    const status = grantor.admit(ref, { holder, readonly, forMap: false });
    if (status !== GNTST_okay) return status;
  }
  const found = passedOn ? sourceRange(grantor, request, transitive) : ownRange(grantor, ref);
  if (typeof found === 'number') {
    grantor.reduceStatus(ref, readonly);
    return found;
  }
  if (!pinned) {
    active.domid = holder;
    active.range = found.range;
  }
  active.take(kinds);
  return {
    range: active.range,
    owner: found.owner,
    release: () => {
      unpin(grantor, ref, { kinds, readonly });
      found.release();
    },
  };
}

const nothing = (): void => {};

function ownRange(grantor: GrantTable, ref: number): CopyPin | number {
  const owner = grantor.domid;
  const active = grantor.active(ref);
  if (active.pinned) {
    // The entry says that the frame is the grantor's; what was pinned before may have been passed on.
    return active.range.source === null ? { range: active.range, owner, release: nothing } : GNTST_bad_domain;
  }
  const mfn = frameOf(grantor, ref);
  if (mfn < 0) return GNTST_bad_page;
  const part = grantor.entries.subPage(ref);
  const range = part === null ? wholePage(mfn) : { ...wholePage(mfn), ...part, isSubPage: true };
  return { range, owner, release: nothing };
}

/** The grant behind a transitive one, pinned for the domain that passes it on. */
function sourceRange(grantor: GrantTable, request: PinRequest, transitive: boolean): CopyPin | number {
  if (!transitive) return GNTST_general_error;
  const { domid, ref } = grantor.entries.transitive(request.ref);
  const from = domid === grantor.domid ? undefined : grantor.peers(domid);
  if (from === undefined) return GNTST_general_error;
  const pin = pinForCopy(from, { ref, holder: grantor.domid, readonly: request.readonly }, false);
  if (typeof pin === 'number') return pin;
  // Even a whole page counts as a part of one: that keeps it from being mapped.
  const range: GrantedRange = { ...pin.range, isSubPage: true, source: { grantor: from, ref } };
  const active = grantor.active(request.ref);
  if (active.pinned && !sameRange(active.range, range)) {
    pin.release();
    return GNTST_eagain;
  }
  return { ...pin, range };
}

function sameRange(a: GrantedRange, b: GrantedRange): boolean {
  return (
    a.mfn === b.mfn &&
    a.start === b.start &&
    a.lengthBytes === b.lengthBytes &&
    a.isSubPage === b.isSubPage &&
    a.source?.grantor === b.source?.grantor &&
    a.source?.ref === b.source?.ref
  );
}

/** @returns the machine frame that the entry names, or -1 when it is not the grantor's */
function frameOf(grantor: GrantTable, ref: number): number {
  const mfn = grantor.frames.getPageFromGfn(grantor.domid, grantor.entries.gfn(ref));
  if (mfn >= 0) grantor.frames.putPage(mfn);
  return mfn;
}
