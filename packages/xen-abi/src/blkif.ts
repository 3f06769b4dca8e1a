/** Block device protocol. Source: xen/include/public/io/blkif.h, io/protocols.h @ RELEASE-4.18.0 */
import { array, arrayOf, s16, struct, u8, u16, u32, u64 } from './struct.ts';

/** Value of the frontend's `protocol` node for the layouts below. */
export const XEN_IO_PROTO_ABI_X86_32 = 'x86_32-abi';

export const BLKIF_OP_READ = 0;
export const BLKIF_OP_WRITE = 1;
export const BLKIF_OP_WRITE_BARRIER = 2;
export const BLKIF_OP_FLUSH_DISKCACHE = 3;
export const BLKIF_OP_DISCARD = 5;
export const BLKIF_OP_INDIRECT = 6;
/** Operations, by name. */
export const BLKIF_OP = {
  BLKIF_OP_READ,
  BLKIF_OP_WRITE,
  BLKIF_OP_WRITE_BARRIER,
  BLKIF_OP_FLUSH_DISKCACHE,
  BLKIF_OP_DISCARD,
  BLKIF_OP_INDIRECT,
} as const;

export const BLKIF_RSP_OKAY = 0;
export const BLKIF_RSP_ERROR = -1;
export const BLKIF_RSP_EOPNOTSUPP = -2;

export const BLKIF_MAX_SEGMENTS_PER_REQUEST = 11;
export const BLKIF_MAX_INDIRECT_PAGES_PER_REQUEST = 8;
/** blkif_request_discard.flag: erase for good. */
export const BLKIF_DISCARD_SECURE = 1;

/** `info` node of the backend. */
export const VDISK_CDROM = 1;
export const VDISK_REMOVABLE = 2;
export const VDISK_READONLY = 4;

/** Unit of sector_number, first_sect, last_sect and the `sectors` node, in bytes. */
export const BLKIF_SECTOR_BYTES = 512;

/** struct blkif_request_segment: sectors first to last, both included, of one granted page. */
export const BlkifRequestSegment = struct('blkif_request_segment', {
  gref: u32, // [front]
  first_sect: u8, // 0..7 [front]
  last_sect: u8, // first_sect..7 [front]
});

/** struct blkif_request. */
export const BlkifRequest = struct('blkif_request', {
  operation: u8, // BLKIF_OP_*                  [front]
  nr_segments: u8, // 0..11                     [front]
  handle: u16, // vdev                           [front]
  id: u64, // echoed in the response            [front]
  sector_number: u64, // in units of 512 bytes  [front]
  seg: arrayOf(BlkifRequestSegment, BLKIF_MAX_SEGMENTS_PER_REQUEST),
});

/** struct blkif_request_discard. */
export const BlkifRequestDiscard = struct('blkif_request_discard', {
  operation: u8, // BLKIF_OP_DISCARD
  flag: u8, // 0 or BLKIF_DISCARD_SECURE
  handle: u16,
  id: u64,
  sector_number: u64,
  nr_sectors: u64,
});

/** struct blkif_request_indirect. */
export const BlkifRequestIndirect = struct('blkif_request_indirect', {
  operation: u8, // BLKIF_OP_INDIRECT
  indirect_op: u8, // BLKIF_OP_READ or BLKIF_OP_WRITE
  nr_segments: u16,
  id: u64,
  sector_number: u64,
  handle: u16,
  indirect_grefs: array(u32, BLKIF_MAX_INDIRECT_PAGES_PER_REQUEST), // pages of blkif_request_segment[512]
  pad: u64,
});

/** struct blkif_response. */
export const BlkifResponse = struct('blkif_response', {
  id: u64, // [back]
  operation: u8, // [back]
  status: s16, // BLKIF_RSP_* [back]
});
