import {
  GNTMAP_device_map,
  GNTMAP_host_map,
  GNTMAP_readonly,
  GNTST_bad_dev_addr,
  GNTST_bad_domain,
  GNTST_bad_gntref,
  GNTST_bad_handle,
  GNTST_general_error,
  GNTST_no_space,
  GNTST_okay,
} from '@domu/xen-abi';
import { pinsOf } from './active-entry.ts';
import { dropFrameRefs, takeFrameRefs } from './frame-refs.ts';
import type { GrantMapper } from './frames.ts';
import type { GrantTable } from './grant-table.ts';
import { pinForMap, unpin } from './pin.ts';

/** One GNTTABOP_map_grant_ref request, copied out of the guest. */
export interface MapGrantRef {
  /** Linear address, or with GNTMAP_contains_pte the machine address of an L1 entry; u64 as a number. */
  readonly hostAddr: number;
  /** GNTMAP_* */
  readonly flags: number;
  readonly ref: number;
  /** The granting domain; DOMID_SELF is not accepted here. */
  readonly dom: number;
}

/** A mapping that was made. */
export interface MappedGrant {
  /** What unmap takes. */
  readonly handle: number;
  readonly mfn: number;
}

/**
 * Maps a frame granted by another domain for `holder` (GNTTABOP_map_grant_ref).
 * @param mapper the holder's page tables; null for the host, which has none and asks for device mappings only
 * @returns the handle and the frame, or an error: GNTST_bad_gntref no mapping asked for, or ref beyond the table;
 *   GNTST_bad_domain; GNTST_no_space no handle left; GNTST_bad_page the grantor does not own the frame;
 *   GNTST_general_error not granted to the holder, a read-only grant, a frame that cannot be written, no L1 entry
 * Source: xen/common/grant_table.c, "map_grant_ref" @ RELEASE-4.18.0
 */
export function mapGrantRef(
  holder: GrantTable,
  op: MapGrantRef,
  mapper: GrantMapper | null,
): MappedGrant | number {
  const kinds = pinsOf(op.flags);
  if (kinds.length === 0) return GNTST_bad_gntref;
  const grantor = holder.peers(op.dom);
  if (grantor === undefined) return GNTST_bad_domain;
  if (holder.maptrack.full) return GNTST_no_space;

  const readonly = (op.flags & GNTMAP_readonly) !== 0;
  const request = { ref: op.ref, holder: holder.domid, readonly };
  const status = pinForMap(grantor, request, kinds);
  if (status !== GNTST_okay) return status;

  const { mfn } = grantor.active(op.ref);
  const failure = mapFrame(grantor, mfn, op, mapper);
  if (failure !== GNTST_okay) {
    unpin(grantor, op.ref, { kinds, readonly });
    return failure;
  }
  const handle = holder.maptrack.add({ grantor, ref: op.ref, flags: op.flags });
  return { handle, mfn };
}

/** One GNTTABOP_unmap_grant_ref or _unmap_and_replace request, copied out of the guest. */
export interface UnmapGrantRef {
  /** As given to map; 0 leaves the host mapping in place. u64 as a number. */
  readonly hostAddr: number;
  /** As map returned it; 0 leaves the device mapping in place. u64 as a number. */
  readonly devBusAddr: number;
  readonly handle: number;
  /** Linear address whose mapping moves to `hostAddr`, 0 for none. */
  readonly newAddr: number;
}

/**
 * Ends a mapping, or its host or device part.
 * @returns GNTST_okay. Errors: GNTST_bad_handle; GNTST_bad_dev_addr; GNTST_general_error the page tables do not map the
 *   grant at `hostAddr`. After an error everything is as before.
 * Source: xen/common/grant_table.c, "unmap_common" @ RELEASE-4.18.0
 */
export function unmapGrantRef(holder: GrantTable, op: UnmapGrantRef, mapper: GrantMapper | null): number {
  const mapping = holder.maptrack.get(op.handle);
  if (mapping === undefined) return GNTST_bad_handle;
  const { grantor, ref, flags } = mapping;
  const { mfn } = grantor.active(ref);
  const unmapsDevice = op.devBusAddr !== 0 && (flags & GNTMAP_device_map) !== 0;
  const unmapsHost = op.hostAddr !== 0 && (flags & GNTMAP_host_map) !== 0;
  if (unmapsDevice && op.devBusAddr !== mfn * 4096) return GNTST_bad_dev_addr;
  if (unmapsHost) {
    const status =
      mapper === null ? GNTST_general_error : mapper.replace(op.hostAddr, mfn, op.newAddr, flags);
    if (status !== GNTST_okay) return status;
  }
  const gone = (unmapsHost ? GNTMAP_host_map : 0) | (unmapsDevice ? GNTMAP_device_map : 0);
  mapping.flags &= ~gone;
  if ((mapping.flags & (GNTMAP_host_map | GNTMAP_device_map)) === 0) holder.maptrack.remove(op.handle);
  if (gone !== 0) {
    const kinds = pinsOf(gone | (flags & GNTMAP_readonly));
    dropFrameRefs(holder.frames, mfn, kinds);
    unpin(grantor, ref, { kinds, readonly: (flags & GNTMAP_readonly) !== 0 });
  }
  return GNTST_okay;
}

function mapFrame(grantor: GrantTable, mfn: number, op: MapGrantRef, mapper: GrantMapper | null): number {
  const { frames } = grantor;
  const kinds = pinsOf(op.flags);
  if (!takeFrameRefs(frames, { owner: grantor.domid, mfn }, kinds)) return GNTST_general_error;
  if ((op.flags & GNTMAP_host_map) === 0) return GNTST_okay;
  const status = mapper === null ? GNTST_general_error : mapper.map(op.hostAddr, mfn, op.flags);
  if (status !== GNTST_okay) dropFrameRefs(frames, mfn, kinds);
  return status;
}
