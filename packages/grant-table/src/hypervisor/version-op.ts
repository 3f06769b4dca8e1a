import {
  GNTTAB_NR_RESERVED_ENTRIES,
  GTF_permit_access,
  GTF_reading,
  GTF_transitive,
  GTF_type_mask,
  GTF_writing,
  XEN_EBUSY,
  XEN_EINVAL,
  XEN_ENOMEM,
  XEN_ENOSYS,
  XEN_ERANGE,
} from '@domu/xen-abi';
import type { GrantTable } from './grant-table.ts';
import type { GrantVersion } from './shared-entries.ts';

const STATUS_BITS = GTF_reading | GTF_writing;

/**
 * Changes the entry format (GNTTABOP_set_version). All entries are cleared but the first eight, which the toolstack has
 * filled and which may be in use: console and store stay connected.
 * @returns 0; -EINVAL no such version, -ENOSYS not offered to this domain, -EBUSY another entry is in use or the domain maps
 *   a status frame, -ERANGE a reserved entry cannot be said in version 1, -ENOMEM. Nothing has changed after an error.
 * Source: xen/common/grant_table.c, "gnttab_set_version" @ RELEASE-4.18.0
 */
export function setVersion(table: GrantTable, version: number): number {
  if (version !== 1 && version !== 2) return -XEN_EINVAL;
  if (version > table.maxVersion) return -XEN_ENOSYS;
  if (version === table.version) return 0;
  if (table.anyPinnedFrom(GNTTAB_NR_RESERVED_ENTRIES)) return -XEN_EBUSY;
  const reserved = readReserved(table);
  if (reserved === null) return -XEN_ERANGE;
  const rc = version === 2 ? addStatusFrames(table) : removeStatusFrames(table);
  if (rc !== 0) return rc;
  for (const mfn of table.entries.frames) table.frames.u8.fill(0, mfn * 4096, (mfn + 1) * 4096);
  table.entries.version = version;
  writeReserved(table, reserved, version);
  return 0;
}

interface ReservedEntry {
  /** Flags without status, and domid. */
  readonly header: number;
  readonly status: number;
  readonly gfn: number;
}

/** @returns the reserved entries, or null when one of them has no version 1 form */
function readReserved({ entries }: GrantTable): ReservedEntry[] | null {
  const reserved: ReservedEntry[] = [];
  const count = Math.min(GNTTAB_NR_RESERVED_ENTRIES, entries.nrEntries);
  for (let ref = 0; ref < count; ref++) {
    const header = entries.header(ref);
    const entry = {
      header: (header & ~STATUS_BITS) >>> 0,
      status: entries.status(ref),
      gfn: entries.gfn(ref),
    };
    if (entries.version === 1) {
      reserved.push(entry);
      continue;
    }
    const type = header & GTF_type_mask;
    if (type === GTF_transitive || (type === GTF_permit_access && entry.gfn >= 2 ** 32)) return null;
    reserved.push(type === GTF_permit_access ? { ...entry, header } : { header: 0, status: 0, gfn: 0 });
  }
  return reserved;
}

function writeReserved(
  { entries }: GrantTable,
  reserved: readonly ReservedEntry[],
  version: GrantVersion,
): void {
  for (const [ref, { header, status, gfn }] of reserved.entries()) {
    entries.setGfn(ref, gfn);
    entries.setHeader(ref, header);
    if (version === 2) entries.setStatus(ref, status);
    else entries.setHeader(ref, header | status);
  }
}

function addStatusFrames(table: GrantTable): number {
  const frames = table.allocate(table.entries.statusFramesFor(table.nrFrames));
  if (frames === null) return -XEN_ENOMEM;
  table.entries.statusFrames.push(...frames);
  return 0;
}

function removeStatusFrames(table: GrantTable): number {
  const { statusFrames } = table.entries;
  if (statusFrames.some((mfn) => table.frames.sharedInUse(mfn))) return -XEN_EBUSY;
  for (const mfn of statusFrames.splice(0)) table.frames.freeShared(mfn);
  return 0;
}
