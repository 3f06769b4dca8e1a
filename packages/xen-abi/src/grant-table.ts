/** Grant tables. Source: xen/include/public/grant_table.h @ RELEASE-4.18.0 */
import { array, nested, ptr, s16, struct, u16, u32, u64, ulong, union } from './struct.ts';

/** References that the toolstack uses itself. */
export const GNTTAB_NR_RESERVED_ENTRIES = 8;
export const GNTTAB_RESERVED_CONSOLE = 0;
export const GNTTAB_RESERVED_XENSTORE = 1;

/** Type of a grant entry (flags bits 0-1). */
export const GTF_invalid = 0;
export const GTF_permit_access = 1;
export const GTF_accept_transfer = 2;
export const GTF_transitive = 3;
export const GTF_type_mask = 3;
/** Permit-access subflags: readonly, PWT, PCD, PAT, sub_page [GST]; reading, writing [XEN]. */
export const GTF_readonly = 4;
export const GTF_reading = 8;
export const GTF_writing = 16;
export const GTF_PWT = 32;
export const GTF_PCD = 64;
export const GTF_PAT = 128;
export const GTF_sub_page = 256;
/** Accept-transfer subflags [XEN]. */
export const GTF_transfer_committed = 4;
export const GTF_transfer_completed = 8;

export const GNTTABOP_map_grant_ref = 0;
export const GNTTABOP_unmap_grant_ref = 1;
export const GNTTABOP_setup_table = 2;
export const GNTTABOP_dump_table = 3;
export const GNTTABOP_transfer = 4;
export const GNTTABOP_copy = 5;
export const GNTTABOP_query_size = 6;
export const GNTTABOP_unmap_and_replace = 7;
export const GNTTABOP_set_version = 8;
export const GNTTABOP_get_status_frames = 9;
export const GNTTABOP_get_version = 10;
export const GNTTABOP_swap_grant_ref = 11;
export const GNTTABOP_cache_flush = 12;
/** Sub-operations of grant_table_op, by name. */
export const GNTTABOP = {
  GNTTABOP_map_grant_ref,
  GNTTABOP_unmap_grant_ref,
  GNTTABOP_setup_table,
  GNTTABOP_dump_table,
  GNTTABOP_transfer,
  GNTTABOP_copy,
  GNTTABOP_query_size,
  GNTTABOP_unmap_and_replace,
  GNTTABOP_set_version,
  GNTTABOP_get_status_frames,
  GNTTABOP_get_version,
  GNTTABOP_swap_grant_ref,
  GNTTABOP_cache_flush,
} as const;

/** gnttab_cache_flush.op. */
export const GNTTAB_CACHE_CLEAN = 1;
export const GNTTAB_CACHE_INVAL = 2;

/** gnttab_copy.flags. */
export const GNTCOPY_source_gref = 1;
export const GNTCOPY_dest_gref = 2;

/** gnttab_map_grant_ref.flags. */
export const GNTMAP_device_map = 1;
export const GNTMAP_host_map = 2;
export const GNTMAP_readonly = 4;
export const GNTMAP_application_map = 8;
/** host_addr is the machine address of the L1 entry, not a linear address. */
export const GNTMAP_contains_pte = 16;
/** Bits copied into the entry's software bits. */
export const GNTMAP_guest_avail_mask = 0xffff_0000;

/** Status of one grant-table request. */
export const GNTST_okay = 0;
export const GNTST_general_error = -1;
export const GNTST_bad_domain = -2;
export const GNTST_bad_gntref = -3;
export const GNTST_bad_handle = -4;
export const GNTST_bad_virt_addr = -5;
export const GNTST_bad_dev_addr = -6;
export const GNTST_no_device_space = -7;
export const GNTST_permission_denied = -8;
export const GNTST_bad_page = -9;
export const GNTST_bad_copy_arg = -10;
export const GNTST_address_too_big = -11;
export const GNTST_eagain = -12;
export const GNTST_no_space = -13;

/** struct grant_entry_v1. */
export const GrantEntryV1 = struct('grant_entry_v1', {
  flags: u16, // GTF_*; written last       [XEN,GST]
  domid: u16, // domain given access       [GST]
  frame: u32, // gfn shared with `domid`   [GST] (transfer: [XEN])
});

/** struct grant_entry_header. */
export const GrantEntryHeader = struct('grant_entry_header', {
  flags: u16, // GTF_*              [GST]
  domid: u16, // domain given access [GST]
});

const FullPage = struct('', { hdr: nested(GrantEntryHeader), pad0: u32, frame: u64 });
const SubPage = struct('', { hdr: nested(GrantEntryHeader), page_off: u16, length: u16, frame: u64 });
const Transitive = struct('', { hdr: nested(GrantEntryHeader), trans_domid: u16, pad0: u16, gref: u32 });

/** union grant_entry_v2. */
export const GrantEntryV2 = union('grant_entry_v2', {
  hdr: nested(GrantEntryHeader),
  full_page: nested(FullPage),
  sub_page: nested(SubPage),
  transitive: nested(Transitive),
  __spacer: array(u32, 4),
});

/** struct gnttab_map_grant_ref. */
export const GnttabMapGrantRef = struct('gnttab_map_grant_ref', {
  host_addr: u64, // linear address, or machine address of an L1 entry IN
  flags: u32, // GNTMAP_*     IN
  ref: u32, // IN
  dom: u16, // grantor        IN
  status: s16, // GNTST_*     OUT
  handle: u32, // OUT
  dev_bus_addr: u64, // OUT
});

/** struct gnttab_unmap_grant_ref. */
export const GnttabUnmapGrantRef = struct('gnttab_unmap_grant_ref', {
  host_addr: u64, // IN
  dev_bus_addr: u64, // IN
  handle: u32, // IN
  status: s16, // GNTST_* OUT
});

/** struct gnttab_setup_table. */
export const GnttabSetupTable = struct('gnttab_setup_table', {
  dom: u16, // IN
  nr_frames: u32, // IN
  status: s16, // GNTST_*                 OUT
  frame_list: ptr, // xen_pfn_t[nr_frames]
});

/** struct gnttab_dump_table. */
export const GnttabDumpTable = struct('gnttab_dump_table', { dom: u16, status: s16 });

/** struct gnttab_transfer. */
export const GnttabTransfer = struct('gnttab_transfer', {
  mfn: ulong, // IN
  domid: u16, // receiver IN
  ref: u32, // IN
  status: s16, // GNTST_* OUT
});

/** struct gnttab_copy_ptr. */
export const GnttabCopyPtr = struct('gnttab_copy_ptr', {
  u: nested(union('', { ref: u32, gmfn: ulong })),
  domid: u16,
  offset: u16, // bytes into the page
});

/** struct gnttab_copy. */
export const GnttabCopy = struct('gnttab_copy', {
  source: nested(GnttabCopyPtr), // IN
  dest: nested(GnttabCopyPtr), // IN
  len: u16, // bytes       IN
  flags: u16, // GNTCOPY_* IN
  status: s16, // GNTST_*  OUT
});

/** struct gnttab_query_size. */
export const GnttabQuerySize = struct('gnttab_query_size', {
  dom: u16, // IN
  nr_frames: u32, // OUT
  max_nr_frames: u32, // OUT
  status: s16, // GNTST_* OUT
});

/** struct gnttab_unmap_and_replace. */
export const GnttabUnmapAndReplace = struct('gnttab_unmap_and_replace', {
  host_addr: u64, // IN
  new_addr: u64, // linear address whose entry takes its place IN
  handle: u32, // IN
  status: s16, // GNTST_* OUT
});

/** struct gnttab_set_version. */
export const GnttabSetVersion = struct('gnttab_set_version', { version: u32 });

/** struct gnttab_get_status_frames. */
export const GnttabGetStatusFrames = struct('gnttab_get_status_frames', {
  nr_frames: u32, // IN
  dom: u16, // IN
  status: s16, // GNTST_* OUT
  frame_list: ptr, // uint64_t[nr_frames]
});

/** struct gnttab_get_version. */
export const GnttabGetVersion = struct('gnttab_get_version', {
  dom: u16, // IN
  pad: u16,
  version: u32, // OUT
});

/** struct gnttab_swap_grant_ref. */
export const GnttabSwapGrantRef = struct('gnttab_swap_grant_ref', {
  ref_a: u32, // IN
  ref_b: u32, // IN
  status: s16, // GNTST_* OUT
});

/** struct gnttab_cache_flush. */
export const GnttabCacheFlush = struct('gnttab_cache_flush', {
  a: nested(union('', { dev_bus_addr: u64, ref: u32 })),
  offset: u16,
  length: u16,
  op: u32,
});
