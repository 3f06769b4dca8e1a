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
import { pinForCopy } from './pin.ts';

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
type CopyPinKind = 'hstr' | 'hstw';

const PAGE_BYTES = 4096;

/** A frame held for the time of a copy. */
export interface HeldFrame {
  readonly mfn: number;
  /** The part of the frame that may be used: first byte, and number of bytes. */
  readonly start: number;
  readonly lengthBytes: number;
  release(): void;
}

/**
 * Copies bytes between two frames, each the caller's own or granted to it (GNTTABOP_copy).
 * @returns GNTST_okay. Errors: GNTST_permission_denied a frame number of another domain; GNTST_bad_domain; GNTST_bad_gntref;
 *   GNTST_bad_page; GNTST_bad_copy_arg beyond the end of a page; GNTST_general_error not granted for this use, beyond
 *   what is granted of a page, or the destination cannot be written; GNTST_eagain. Nothing has been copied after an error.
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
  if (source.offset + lengthBytes > PAGE_BYTES || dest.offset + lengthBytes > PAGE_BYTES)
    return GNTST_bad_copy_arg;
  if (!isWithin(source.offset, lengthBytes, frames.read)) return GNTST_general_error;
  if (!isWithin(dest.offset, lengthBytes, frames.write)) return GNTST_general_error;
  const start = frames.read.mfn * PAGE_BYTES + source.offset;
  u8.copyWithin(frames.write.mfn * PAGE_BYTES + dest.offset, start, start + lengthBytes);
  return GNTST_okay;
}

function isWithin(offset: number, lengthBytes: number, granted: HeldFrame): boolean {
  return offset >= granted.start && offset + lengthBytes <= granted.start + granted.lengthBytes;
}

function hold(
  caller: GrantTable,
  domain: GrantTable,
  { end, byRef }: End,
  kind: CopyPinKind,
): HeldFrame | number {
  return byRef
    ? holdGrant(domain, { ref: end.refOrGfn, holder: caller.domid }, kind)
    : holdOwn(caller, end.refOrGfn, kind);
}

function holdOwn(caller: GrantTable, gfn: number, kind: CopyPinKind): HeldFrame | number {
  const { frames } = caller;
  const mfn = frames.getPageFromGfn(caller.domid, gfn);
  if (mfn < 0) return GNTST_bad_page;
  const held = takeFrameRefs(frames, { owner: caller.domid, mfn }, [kind]);
  frames.putPage(mfn);
  if (!held) return GNTST_general_error;
  return { mfn, start: 0, lengthBytes: PAGE_BYTES, release: () => dropFrameRefs(frames, mfn, [kind]) };
}

/**
 * Holds a granted frame for `holder`, as a mapping would, until `release`.
 * @param kind 'hstr' to read, 'hstw' to write
 * @returns the frame and the part of it that is granted, or a GNTST_* code
 */
export function holdGrant(
  grantor: GrantTable,
  grant: { readonly ref: number; readonly holder: number },
  kind: CopyPinKind,
): HeldFrame | number {
  const { frames } = grantor;
  const pin = pinForCopy(grantor, { ...grant, readonly: kind === 'hstr' });
  if (typeof pin === 'number') return pin;
  const { mfn, start, lengthBytes } = pin.range;
  if (!takeFrameRefs(frames, { owner: pin.owner, mfn }, [kind])) {
    pin.release();
    return GNTST_general_error;
  }
  return {
    mfn,
    start,
    lengthBytes,
    release: () => {
      dropFrameRefs(frames, mfn, [kind]);
      pin.release();
    },
  };
}
