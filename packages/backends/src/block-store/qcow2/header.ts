import type { HostFile } from '../host-file.ts';

/** First bytes of an image: "QFI" and 0xfb. */
export const QCOW2_MAGIC = 0x514649fb;

const V2_LENGTH = 72;
const V3_LENGTH = 104;
const MIN_CLUSTER_BITS = 9;
const MAX_CLUSTER_BITS = 21;
const MAX_TABLE_BYTES = 32 << 20;
const MAX_REFCOUNT_TABLE_BYTES = 8 << 20;
const MAX_BACKING_NAME = 1023;
const MAX_REFCOUNT_ORDER = 6;
const DEFAULT_REFCOUNT_ORDER = 4;
/** Headers and their extensions lie in the first cluster; longer than any real one. */
const MAX_HEADER_BYTES = 64 << 10;

/** incompatible_features */
const INCOMPATIBLE_DIRTY = 1;
const INCOMPATIBLE_CORRUPT = 2;
const INCOMPATIBLE_COMPRESSION_TYPE = 8;
const INCOMPATIBLE_NAMES: readonly (readonly [number, string])[] = [
  [4, 'an external data file'],
  [16, 'extended L2 entries'],
];

const EXTENSION_END = 0;
const EXTENSION_BACKING_FORMAT = 0xe2792aca;

/** How compressed clusters are packed. */
export type CompressionType = 'deflate' | 'zstd';

/** The header of an image, checked: tables lie where a file of this size can have them. */
export interface Qcow2Header {
  readonly version: 2 | 3;
  readonly clusterBits: number;
  readonly sizeBytes: number;
  readonly l1Entries: number;
  readonly l1Offset: number;
  readonly refcountTableOffset: number;
  readonly refcountTableClusters: number;
  /** A refcount has 2^order bits. */
  readonly refcountOrder: number;
  readonly compression: CompressionType;
  /** Name of the backing file as it stands in the header; null when there is none. */
  readonly backingName: string | null;
  /** Its format, as `raw` or `qcow2`; null when the header does not say. */
  readonly backingFormat: string | null;
  /** Whoever had it open for writing was cut off: refcounts may be too low. */
  readonly dirty: boolean;
  readonly corrupt: boolean;
  /** Features that hold only as long as nobody writes who does not know them. */
  readonly autoclear: boolean;
}

/** Offset of the header's field autoclear_features. */
export const AUTOCLEAR_OFFSET = 88;
/** Offset of the fields refcount_table_offset (u64) and refcount_table_clusters (u32). */
export const REFCOUNT_TABLE_FIELDS_OFFSET = 48;

/**
 * Reads and checks an image's header.
 * @returns the header, or why the image cannot be used
 * Source: QEMU docs/interop/qcow2.txt
 */
export function readHeader(file: HostFile): Qcow2Header | string {
  const bytes = new Uint8Array(Math.min(MAX_HEADER_BYTES, Math.max(V3_LENGTH, file.sizeBytes)));
  if (file.read(0, bytes) < 0) return 'its header cannot be read';
  const view = new DataView(bytes.buffer);
  if (file.sizeBytes < V2_LENGTH || view.getUint32(0) !== QCOW2_MAGIC) return 'not a qcow2 image';
  const version = view.getUint32(4);
  if (version !== 2 && version !== 3) return `qcow2 version ${version} is not supported`;
  const clusterBits = view.getUint32(20);
  if (clusterBits < MIN_CLUSTER_BITS || clusterBits > MAX_CLUSTER_BITS)
    return `clusters of 2^${clusterBits} bytes`;
  const clusterBytes = 2 ** clusterBits;
  const sizeBytes = u64(view, 24);
  const l1Entries = view.getUint32(36);
  const l1Offset = u64(view, 40);
  const refcountTableOffset = u64(view, 48);
  const refcountTableClusters = view.getUint32(56);
  if (view.getUint32(32) !== 0) return 'encrypted images are not supported';
  if (sizeBytes % 512 !== 0 || !Number.isSafeInteger(sizeBytes)) return `a size of ${sizeBytes} bytes`;
  const needed = Math.ceil(sizeBytes / (clusterBytes * (clusterBytes / 8)));
  const inFile = (offset: number, length: number): boolean =>
    offset > 0 && offset % clusterBytes === 0 && offset + length <= roundUp(file.sizeBytes, clusterBytes);
  if (l1Entries < needed || l1Entries * 8 > MAX_TABLE_BYTES) return `an L1 table of ${l1Entries} entries`;
  if (l1Entries > 0 && !inFile(l1Offset, l1Entries * 8)) return 'its L1 table lies outside of the file';
  const refcountTableBytes = refcountTableClusters * clusterBytes;
  if (refcountTableBytes === 0 || refcountTableBytes > MAX_REFCOUNT_TABLE_BYTES)
    return `a refcount table of ${refcountTableClusters} clusters`;
  if (!inFile(refcountTableOffset, refcountTableBytes)) return 'its refcount table lies outside of the file';
  const features = version === 3 ? readFeatures(view) : V2_FEATURES;
  if (typeof features === 'string') return features;
  const backing = readBacking(bytes, view, features.headerLength);
  if (typeof backing === 'string') return backing;
  const { headerLength: _, ...rest } = features;
  return {
    version,
    clusterBits,
    sizeBytes,
    l1Entries,
    l1Offset,
    refcountTableOffset,
    refcountTableClusters,
    ...rest,
    ...backing,
  };
}

type Features = Pick<Qcow2Header, 'dirty' | 'corrupt' | 'autoclear' | 'compression' | 'refcountOrder'> & {
  readonly headerLength: number;
};

const V2_FEATURES: Features = {
  dirty: false,
  corrupt: false,
  autoclear: false,
  compression: 'deflate',
  refcountOrder: DEFAULT_REFCOUNT_ORDER,
  headerLength: V2_LENGTH,
};

function readFeatures(view: DataView): Features | string {
  const [high, low] = [view.getUint32(72), view.getUint32(76)];
  for (const [bit, name] of INCOMPATIBLE_NAMES) if (low & bit) return `${name} is not supported`;
  const known = INCOMPATIBLE_DIRTY | INCOMPATIBLE_CORRUPT | INCOMPATIBLE_COMPRESSION_TYPE;
  if (high !== 0 || (low & ~known) !== 0) return 'it uses features that are not known here';
  const refcountOrder = view.getUint32(96);
  if (refcountOrder > MAX_REFCOUNT_ORDER) return `refcounts of 2^${refcountOrder} bits`;
  const headerLength = view.getUint32(100);
  if (headerLength < V3_LENGTH || headerLength > view.byteLength) return `a header of ${headerLength} bytes`;
  const type = low & INCOMPATIBLE_COMPRESSION_TYPE && headerLength > V3_LENGTH ? view.getUint8(V3_LENGTH) : 0;
  if (type > 1) return `compression type ${type} is not supported`;
  return {
    dirty: (low & INCOMPATIBLE_DIRTY) !== 0,
    corrupt: (low & INCOMPATIBLE_CORRUPT) !== 0,
    autoclear: view.getUint32(88) !== 0 || view.getUint32(92) !== 0,
    compression: type === 1 ? 'zstd' : 'deflate',
    refcountOrder,
    headerLength,
  };
}

function readBacking(
  bytes: Uint8Array,
  view: DataView,
  headerLength: number,
): Pick<Qcow2Header, 'backingName' | 'backingFormat'> | string {
  const offset = u64(view, 8);
  const length = view.getUint32(16);
  if (offset === 0) return { backingName: null, backingFormat: null };
  if (length === 0 || length > MAX_BACKING_NAME || offset + length > bytes.length)
    return 'the name of its backing file lies outside of the header';
  const text = new TextDecoder();
  let backingFormat: string | null = null;
  for (let at = headerLength; at + 8 <= Math.min(offset, bytes.length); ) {
    const type = view.getUint32(at);
    const size = view.getUint32(at + 4);
    if (type === EXTENSION_END || at + 8 + size > bytes.length) break;
    if (type === EXTENSION_BACKING_FORMAT) backingFormat = text.decode(bytes.subarray(at + 8, at + 8 + size));
    at += 8 + roundUp(size, 8);
  }
  return { backingName: text.decode(bytes.subarray(offset, offset + length)), backingFormat };
}

/** @returns a big-endian u64 as a double: exact for offsets of clusters */
export function u64(view: DataView, at: number): number {
  return view.getUint32(at) * 2 ** 32 + view.getUint32(at + 4);
}

export function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}
