import {
  GNTST_bad_domain,
  GNTST_bad_page,
  GNTST_general_error,
  GNTST_okay,
  GTF_accept_transfer,
  GTF_transfer_committed,
  GTF_transfer_completed,
} from '@domu/xen-abi';
import type { GrantTable } from './grant-table.ts';

/** One GNTTABOP_transfer request, copied out of the guest. */
export interface GrantTransfer {
  /** Frame by the caller's own number. */
  readonly gfn: number;
  /** The receiver. */
  readonly domid: number;
  /** An entry of the receiver's that accepts a transfer from the caller. */
  readonly ref: number;
}

/**
 * Gives a frame, content and all, to another domain that has asked for it (GNTTABOP_transfer). The receiver's entry says
 * `committed` once nothing can go wrong any more, then holds the frame's number and says `completed`.
 * @returns GNTST_okay. Errors: GNTST_bad_page not the caller's, or something still refers to it. After the others the frame
 *   is lost to the caller, as in Xen: GNTST_bad_domain no such receiver; GNTST_general_error it has no room, or its entry
 *   does not accept a frame from the caller.
 * Source: xen/common/grant_table.c, "gnttab_transfer", "gnttab_prepare_for_transfer" @ RELEASE-4.18.0
 */
export function transferGrant(caller: GrantTable, op: GrantTransfer): number {
  const { frames } = caller;
  const mfn = frames.steal(caller.domid, op.gfn);
  if (mfn < 0) return GNTST_bad_page;
  return giveFrame(caller, mfn, op);
}

/**
 * Gives a frame that is nobody's to a domain that has asked for it. The frame is gone afterwards, given or freed.
 * @returns as `transferGrant`
 */
export function giveFrame(caller: GrantTable, mfn: number, op: Pick<GrantTransfer, 'domid' | 'ref'>): number {
  const { frames } = caller;
  const receiver = caller.peers(op.domid);
  const status = receiver === undefined ? GNTST_bad_domain : accept(receiver, caller, op.ref);
  if (receiver === undefined || status !== GNTST_okay) {
    frames.dropStolen(mfn);
    return status;
  }
  const { entries } = receiver;
  entries.setGfn(op.ref, frames.giveStolen(mfn, receiver.domid, entries.gfn(op.ref)));
  entries.setHeader(op.ref, entries.header(op.ref) | GTF_transfer_completed);
  return GNTST_okay;
}

function accept(receiver: GrantTable, caller: GrantTable, ref: number): number {
  if (!receiver.frames.hasRoom(receiver.domid) || ref >= receiver.nrEntries) return GNTST_general_error;
  const header = receiver.entries.header(ref);
  if (header !== (GTF_accept_transfer | (caller.domid << 16)) >>> 0) return GNTST_general_error;
  receiver.entries.setHeader(ref, header | GTF_transfer_committed);
  return GNTST_okay;
}
