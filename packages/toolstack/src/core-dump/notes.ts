import {
  XEN_ELFNOTE_DUMPCORE_FORMAT_VERSION,
  XEN_ELFNOTE_DUMPCORE_HEADER,
  XEN_ELFNOTE_DUMPCORE_NONE,
  XEN_ELFNOTE_DUMPCORE_XEN_VERSION,
  XEN_ELFNOTE_OWNER,
} from '@domu/xen-abi';
import type { XenDescription } from '@domu/xen-hypervisor';

/** xch_magic of a paravirtualised domain. Source: tools/libs/guest/xg_core.h, XC_CORE_MAGIC */
const XC_CORE_MAGIC = 0xf00f_ebed;
/** Major 0, minor 1. */
const FORMAT_VERSION = 1;
const HEADER_BYTES = 12;
/** Size of struct xen_dumpcore_elfnote_xen_version_desc as a 64-bit toolstack writes it. */
const XEN_VERSION_BYTES = 1280;

/** The counts that the header note tells. */
export interface DumpCounts {
  readonly vcpus: number;
  readonly pages: number;
  readonly pageSize: number;
}

/**
 * The notes of the section .note.Xen: none, header, xen_version, format_version.
 * Source: docs/misc/dump-core-format.txt, tools/libs/guest/xg_core.c @ RELEASE-4.18.0
 */
export function dumpNotes(xen: XenDescription, counts: DumpCounts): Uint8Array {
  return concat([
    note(XEN_ELFNOTE_DUMPCORE_NONE, new Uint8Array(0)),
    note(XEN_ELFNOTE_DUMPCORE_HEADER, u64s(XC_CORE_MAGIC, counts.vcpus, counts.pages, counts.pageSize)),
    note(XEN_ELFNOTE_DUMPCORE_XEN_VERSION, xenVersion(xen)),
    note(XEN_ELFNOTE_DUMPCORE_FORMAT_VERSION, u64s(FORMAT_VERSION)),
  ]);
}

/** The page size follows a 32-bit platform_parameters, as xc_core has it for a 32-bit guest; then four bytes to spare. */
function xenVersion({ major, minor, records, virtStart, pageSize }: XenDescription): Uint8Array {
  const start = new Uint8Array(4);
  new DataView(start.buffer).setUint32(0, virtStart, true);
  const desc = new Uint8Array(XEN_VERSION_BYTES);
  desc.set(concat([u64s(major, minor), ...records, start, u64s(pageSize)]));
  return desc;
}

function note(type: number, desc: Uint8Array): Uint8Array {
  const name = new TextEncoder().encode(`${XEN_ELFNOTE_OWNER}\0`);
  const bytes = new Uint8Array(HEADER_BYTES + name.length + desc.length);
  const view = new DataView(bytes.buffer);
  for (const [i, word] of [name.length, desc.length, type].entries()) view.setUint32(4 * i, word, true);
  bytes.set(name, HEADER_BYTES);
  bytes.set(desc, HEADER_BYTES + name.length);
  return bytes;
}

/** Numbers below 2^53 as little-endian 64-bit words. */
export function u64s(...values: readonly number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(8 * values.length));
  for (const [i, value] of values.entries()) view.setBigUint64(8 * i, BigInt(value), true);
  return new Uint8Array(view.buffer);
}

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
