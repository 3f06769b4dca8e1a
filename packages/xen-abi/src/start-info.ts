/** The start-of-day page. Source: xen/include/public/xen.h, "start_info" @ RELEASE-4.18.0 */
import { bytes, nested, struct, u32, ulong, union } from './struct.ts';

export const MAX_GUEST_CMDLINE = 1024;
/** `start_info.magic` of a PAE guest. */
export const START_INFO_MAGIC_PAE = 'xen-3.0-x86_32p';
/** `start_info.magic` of a guest with 2-level tables. */
export const START_INFO_MAGIC_NONPAE = 'xen-3.0-x86_32';

/** Flag: the domain is privileged. */
export const SIF_PRIVILEGED = 1;
/** Flag: the domain is the initial control domain. */
export const SIF_INITDOMAIN = 2;
/** Flag: mod_start points to a multiboot module list. */
export const SIF_MULTIBOOT_MOD = 4;
/** Flag: mod_start is a PFN. */
export const SIF_MOD_START_PFN = 8;
/** Flag: tools understand a p2m list mapped by address. */
export const SIF_VIRT_P2M_4TOOLS = 16;
/** Bits reserved for xen-pm options. */
export const SIF_PM_MASK = 0xff00;

const ConsoleDomU = struct('', { mfn: ulong, evtchn: u32 });
const ConsoleDom0 = struct('', { info_off: u32, info_size: u32 });

/** struct start_info: written once by the builder, and again by whoever resumes the domain. */
export const StartInfo = struct('start_info', {
  magic: bytes(32), // "xen-<version>-<platform>"                         [XEN]
  nr_pages: ulong, // pages allocated to the domain                       [XEN]
  shared_info: ulong, // machine address (translated: gpfn << 12)         [XEN]
  flags: u32, // SIF_*                                                    [XEN]
  store_mfn: ulong, // xenstore ring page                                 [XEN]
  store_evtchn: u32, // xenstore port                                     [XEN]
  console: nested(union('', { domU: nested(ConsoleDomU), dom0: nested(ConsoleDom0) })), // [XEN]
  pt_base: ulong, // linear address of the root page table                [XEN]
  nr_pt_frames: ulong, // bootstrap page-table frames                     [XEN]
  mfn_list: ulong, // linear address of the p2m list                      [XEN]
  mod_start: ulong, // linear address (or pfn, SIF_MOD_START_PFN) of the module [XEN]
  mod_len: ulong, // bytes of the module                                  [XEN]
  cmd_line: bytes(MAX_GUEST_CMDLINE), // NUL-terminated                   [XEN]
  first_p2m_pfn: ulong, // first pfn of the p2m list's own frames         [XEN]
  nr_p2m_frames: ulong, // frames of the p2m list                         [XEN]
});
