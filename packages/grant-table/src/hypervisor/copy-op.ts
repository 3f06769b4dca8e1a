import {
  DOMID_SELF,
  GNTCOPY_dest_gref,
  GNTCOPY_source_gref,
  GNTST_bad_copy_arg,
  GNTST_bad_domain,
  GNTST_bad_page,
  GNTST_general_error,
  GNTST_okay,
  GNTST_permission_denied,
} from '@domu/xen-abi';
import { dropFrameRefs, takeFrameRefs } from './frame-refs.ts';
import type { GrantTable } from './grant-table.ts';
import { pinGrant, unpinGrant } from './pin.ts';

/** One end of a copy. */
export interface CopyEnd {
  /** A grant reference of `domid` when the op's flag for this end says so, else a frame number of the caller's own. */
  readonly refOrGfn: number;
  /** DOMID_SELF for a frame of the caller's. */
  readonly domid: number;
  /** Byte offset in the frame. */
  readonly offset: number;
}

/** One GNTTABOP_copy request, copied out of the guest. */
export interface GrantCopy {
  readonly source: CopyEnd;
  readonly dest: CopyEnd;
  readonly lengthBytes: number;
  /** GNTCOPY_* */
  readonly flags: number;
}

/** A copy holds a frame as a read-only or a writable host mapping would. */
type CopyPin = 'hstr' | 'hstw';

/** A frame held for the time of a copy. */
export interface HeldFrame {
  readonly mfn: number;
  release(): void;
}

/**
 * Copies bytes between two frames, each the caller's own or granted to it (GNTTABOP_copy).
 * @returns GNTST_okay. Errors: GNTST_permission_denied a frame number of another domain; GNTST_bad_domain; GNTST_bad_gntref;
 *   GNTST_bad_page; GNTST_bad_copy_arg beyond the end of a page; GNTST_general_error not granted for this use, or the
 *   destination cannot be written. Nothing has been copied after an error.
 * Source: xen/common/grant_table.c, "gnttab_copy_one" @ RELEASE-4.18.0
 */
export function copyGrant(caller: GrantTable, op: GrantCopy): number {
  const from = { end: op.source, byRef: (op.flags & GNTCOPY_source_gref) !== 0 };
  const to = { end: op.dest, byRef: (op.flags & GNTCOPY_dest_gref) !== 0 };
  const source = domainOf(caller, from);
  if (typeof source === 'number') return source;
  const dest = domainOf(caller, to);
  if (typeof dest === 'number') return dest;

  const read = hold(caller, source, from, 'hstr');
  if (typeof read === 'number') return read;
  const write = hold(caller, dest, to, 'hstw');
  if (typeof write === 'number') {
    read.release();
    return write;
  }
  const status = copyBytes(caller.frames.u8, { read, write }, op);
  write.release();
  read.release();
  return status;
}

interface End {
  readonly end: CopyEnd;
  readonly byRef: boolean;
}

function domainOf(caller: GrantTable, { end, byRef }: End): GrantTable | number {
  if (end.domid === DOMID_SELF) return caller;
  if (!byRef) return GNTST_permission_denied;
  return caller.peers(end.domid) ?? GNTST_bad_domain;
}

function copyBytes(u8: Uint8Array, frames: { read: HeldFrame; write: HeldFrame }, op: GrantCopy): number {
  const { source, dest, lengthBytes } = op;
  if (source.offset + lengthBytes > 4096 || dest.offset + lengthBytes > 4096) return GNTST_bad_copy_arg;
  const start = frames.read.mfn * 4096 + source.offset;
  u8.copyWithin(frames.write.mfn * 4096 + dest.offset, start, start + lengthBytes);
  return GNTST_okay;
}

function hold(
  caller: GrantTable,
  domain: GrantTable,
  { end, byRef }: End,
  kind: CopyPin,
): HeldFrame | number {
  return byRef
    ? holdGrant(domain, { ref: end.refOrGfn, holder: caller.domid }, kind)
    : holdOwn(caller, end.refOrGfn, kind);
}

function holdOwn(caller: GrantTable, gfn: number, kind: CopyPin): HeldFrame | number {
  const { frames } = caller;
  const mfn = frames.getPageFromGfn(caller.domid, gfn);
  if (mfn < 0) return GNTST_bad_page;
  const held = takeFrameRefs(frames, { owner: caller.domid, mfn }, [kind]);
  frames.putPage(mfn);
  return held ? { mfn, release: () => dropFrameRefs(frames, mfn, [kind]) } : GNTST_general_error;
}

/**
 * Holds a granted frame for `holder`, as a mapping would, until `release`.
 * @param kind 'hstr' to read, 'hstw' to write
 * @returns the frame, or a GNTST_* code
 * Source: xen/common/grant_table.c, "acquire_grant_for_copy" @ RELEASE-4.18.0
 */
export function holdGrant(
  grantor: GrantTable,
  grant: { readonly ref: number; readonly holder: number },
  kind: CopyPin,
): HeldFrame | number {
  const readonly = kind === 'hstr';
  const kinds = [kind];
  const status = pinGrant(grantor, { ...grant, readonly, forMap: false }, kinds);
  if (status !== GNTST_okay) return status;
  const { mfn } = grantor.active(grant.ref);
  const unpin = (): void => unpinGrant(grantor, grant.ref, { kinds, readonly });
  if (!takeFrameRefs(grantor.frames, { owner: grantor.domid, mfn }, kinds)) {
    unpin();
    return GNTST_general_error;
  }
  return {
    mfn,
    release: () => {
      dropFrameRefs(grantor.frames, mfn, kinds);
      unpin();
    },
  };
}
