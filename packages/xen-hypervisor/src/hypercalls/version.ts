import {
  VMASST_TYPE_pae_extended_cr3,
  XEN_CAPABILITIES_INFO_LEN,
  XEN_CHANGESET_INFO_LEN,
  XEN_COMMANDLINE_LEN,
  XEN_EFAULT,
  XEN_EINVAL,
  XEN_ENODATA,
  XEN_ENOSYS,
  XEN_EXTRAVERSION_LEN,
  XENFEAT_pae_pgdir_above_4gb,
  XENVER_build_id,
  XENVER_capabilities,
  XENVER_changeset,
  XENVER_commandline,
  XENVER_compile_info,
  XENVER_extraversion,
  XENVER_get_features,
  XENVER_guest_handle,
  XENVER_pagesize,
  XENVER_platform_parameters,
  XENVER_version,
  XenCompileInfo,
  XenFeatureInfo,
} from '@domu/xen-abi';
import type { Caller } from '../caller.ts';
import type { Domain } from '../domain.ts';

const PAGE_SIZE = 4096;
const CHANGESET = 'domu';

/**
 * HYPERVISOR_xen_version. Text buffers are zero to their end: what lay behind the text must not reach a guest (xsa-122).
 * Source: xen/common/kernel.c do_xen_version @ RELEASE-4.18.0
 */
export function xenVersion(caller: Caller, cmd: number, arg: number): number {
  const { domain, mem } = caller;
  const { release } = domain;
  const copyOut = (bytes: Uint8Array): number => (mem.write(arg, bytes) ? 0 : -XEN_EFAULT);
  switch (cmd) {
    case XENVER_version:
      return (release.major << 16) | release.minor;
    case XENVER_extraversion:
      return copyOut(paddedText(release.extraversion, XEN_EXTRAVERSION_LEN));
    case XENVER_compile_info:
      return copyOut(compileInfo());
    case XENVER_capabilities:
      return copyOut(paddedText(capabilities(domain), XEN_CAPABILITIES_INFO_LEN));
    case XENVER_changeset:
      return copyOut(paddedText(CHANGESET, XEN_CHANGESET_INFO_LEN));
    case XENVER_platform_parameters:
      return mem.writeU32(arg, domain.hypervisorVirtStart) ? 0 : -XEN_EFAULT;
    case XENVER_get_features:
      return getFeatures(caller, arg);
    case XENVER_pagesize:
      return arg === 0 ? PAGE_SIZE : -XEN_EINVAL;
    case XENVER_guest_handle:
      return copyOut(domain.uuid);
    case XENVER_commandline:
      return copyOut(paddedText('', XEN_COMMANDLINE_LEN));
    case XENVER_build_id:
      return -XEN_ENODATA;
    default:
      return -XEN_ENOSYS;
  }
}

/** What Xen tells about itself, in the form of the records behind XENVER_*; a core dump repeats it. */
export interface XenDescription {
  readonly major: number;
  readonly minor: number;
  /** xen_extraversion_t, struct xen_compile_info, xen_capabilities_info_t, xen_changeset_info_t: 16, 144, 1024, 64 bytes. */
  readonly records: readonly Uint8Array[];
  readonly virtStart: number;
  readonly pageSize: number;
}

/** What a domain is told about the Xen that it runs on. */
export function describeXen(domain: Domain): XenDescription {
  const { major, minor, extraversion } = domain.release;
  return {
    major,
    minor,
    records: [
      paddedText(extraversion, XEN_EXTRAVERSION_LEN),
      compileInfo(),
      paddedText(capabilities(domain), XEN_CAPABILITIES_INFO_LEN),
      paddedText(CHANGESET, XEN_CHANGESET_INFO_LEN),
    ],
    virtStart: domain.hypervisorVirtStart,
    pageSize: PAGE_SIZE,
  };
}

/** Bitmap of feature submap 0. */
export function featureBits(domain: Domain): number {
  let bits = 0;
  for (const feature of domain.release.features) bits |= 1 << feature;
  if (domain.hasAssist(VMASST_TYPE_pae_extended_cr3)) bits |= 1 << XENFEAT_pae_pgdir_above_4gb;
  return bits >>> 0;
}

/** ASCII text in a buffer of `length` bytes, cut so that a NUL remains, zeros behind. */
export function paddedText(text: string, length: number): Uint8Array {
  const buffer = new Uint8Array(length);
  for (let i = 0; i < Math.min(text.length, length - 1); i++) buffer[i] = text.charCodeAt(i);
  return buffer;
}

function getFeatures(caller: Caller, arg: number): number {
  const view = caller.mem.readView(arg, XenFeatureInfo.size);
  if (view === null) return -XEN_EFAULT;
  if (XenFeatureInfo.submap_idx.get(view, 0) !== 0) return -XEN_EINVAL;
  XenFeatureInfo.submap.set(view, 0, featureBits(caller.domain));
  return caller.mem.writeView(arg, view) ? 0 : -XEN_EFAULT;
}

function capabilities(domain: Domain): string {
  return domain.mode === 'pae' ? 'xen-3.0-x86_32p ' : 'xen-3.0-x86_32 ';
}

function compileInfo(): Uint8Array {
  const bytes = new Uint8Array(XenCompileInfo.size);
  const view = new DataView(bytes.buffer);
  XenCompileInfo.compiler.setText(view, 0, 'TypeScript');
  XenCompileInfo.compile_by.setText(view, 0, 'domu');
  XenCompileInfo.compile_domain.setText(view, 0, 'localdomain');
  XenCompileInfo.compile_date.setText(view, 0, '');
  return bytes;
}
