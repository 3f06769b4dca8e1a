import {
  BLKIF_SECTOR_BYTES,
  VDISK_CDROM,
  VDISK_READONLY,
  VDISK_REMOVABLE,
  XEN_IO_PROTO_ABI_X86_32,
} from '@domu/xen-abi';
import type { BlockStore } from '../block-store/block-store.ts';

/** Most segments of an indirect request, as Linux's backend has it: 1 MiB. */
export const MAX_INDIRECT_SEGMENTS = 256;
const MAX_RING_PAGE_ORDER = 4;
const MAX_QUEUES = 4;

/** What the backend does that it could leave undone. */
export interface BlkBackFeatures {
  /** Keeps pages mapped for frontends that use the same ones again. Default true. */
  readonly persistent: boolean;
  /** Offers discard if the store can do it. Default true. */
  readonly discard: boolean;
}

/** Shown to the guest with the disk. */
export interface MediumKind {
  readonly cdrom: boolean;
  readonly removable: boolean;
}

export function offersDiscard(store: BlockStore, features: BlkBackFeatures): boolean {
  return features.discard && store.discard !== undefined && !store.readonly;
}

/** Nodes that a frontend chooses its rings by. */
export function transportNodes(): Record<string, string> {
  return {
    'feature-max-indirect-segments': `${MAX_INDIRECT_SEGMENTS}`,
    'max-ring-page-order': `${MAX_RING_PAGE_ORDER}`,
    'max-ring-pages': `${2 ** MAX_RING_PAGE_ORDER}`,
    'multi-queue-max-queues': `${MAX_QUEUES}`,
  };
}

/** Nodes that tell which requests are taken. */
export function featureNodes(store: BlockStore, features: BlkBackFeatures): Record<string, string> {
  const nodes: Record<string, string> = {
    'feature-flush-cache': '1',
    'feature-barrier': '1',
    'feature-persistent': features.persistent ? '1' : '0',
    'feature-discard': '0',
  };
  if (!offersDiscard(store, features)) return nodes;
  const granularity = store.discardGranularityBytes ?? BLKIF_SECTOR_BYTES;
  return {
    ...nodes,
    'discard-granularity': `${granularity}`,
    'discard-alignment': '0',
    'discard-secure': '0',
    'feature-discard': '1',
  };
}

/**
 * Nodes that describe the disk. Sectors are always of 512 bytes: only frontends with `feature-large-sector-size` could take
 * others, and no store needs them.
 */
export function diskNodes(store: BlockStore, { cdrom, removable }: MediumKind): Record<string, string> {
  const readonly = store.readonly;
  const info =
    (cdrom ? VDISK_CDROM : 0) | (removable ? VDISK_REMOVABLE : 0) | (readonly ? VDISK_READONLY : 0);
  return {
    sectors: `${store.sectors}`,
    info: `${info}`,
    'sector-size': `${BLKIF_SECTOR_BYTES}`,
    'physical-sector-size': `${physicalSectorBytes(store)}`,
  };
}

/** The disk is a whole number of physical sectors, or the guest is not told of them. */
function physicalSectorBytes({
  sectors,
  physicalSectorBytes: bytes = BLKIF_SECTOR_BYTES,
}: BlockStore): number {
  return (sectors * BLKIF_SECTOR_BYTES) % bytes === 0 ? bytes : BLKIF_SECTOR_BYTES;
}

/** One ring as the frontend announces it. */
export interface RingAnnouncement {
  /** References of its pages, in order. */
  readonly grefs: readonly number[];
  readonly port: number;
}

/** What a frontend announces; all of it checked against what was offered. */
export interface FrontendChoice {
  readonly rings: readonly RingAnnouncement[];
  readonly persistent: boolean;
}

/**
 * Reads what the frontend chose.
 * @param node reads a node of the frontend's directory; null when it is not there
 * @returns why it cannot be connected to, when that is so
 * Source: xen/include/public/io/blkif.h; Linux drivers/block/xen-blkback/xenbus.c, "connect_ring" (behaviour)
 */
export function readFrontend(node: (name: string) => string | null): FrontendChoice | string {
  const protocol = node('protocol') ?? XEN_IO_PROTO_ABI_X86_32;
  if (protocol !== XEN_IO_PROTO_ABI_X86_32) return `unknown fe protocol ${protocol.slice(0, 64)}`;
  const queues = numberIn(node, 'multi-queue-num-queues') ?? 1;
  if (!(queues >= 1 && queues <= MAX_QUEUES))
    return `guest requested ${queues} queues, not 1 to ${MAX_QUEUES}`;
  const pages = ringPages(node);
  if (typeof pages === 'string') return pages;
  const rings: RingAnnouncement[] = [];
  for (let i = 0; i < queues; i++) {
    const ring = readRing(node, queues === 1 ? '' : `queue-${i}/`, pages);
    if (typeof ring === 'string') return ring;
    rings.push(ring);
  }
  return { rings, persistent: (numberIn(node, 'feature-persistent') ?? 0) !== 0 };
}

type PageCount = { readonly count: number; readonly numbered: boolean };

/** Pages of each ring. Their references are numbered when the frontend says how many there are by their order. */
function ringPages(node: (name: string) => string | null): PageCount | string {
  const order = numberIn(node, 'ring-page-order');
  if (order !== null) {
    if (order > MAX_RING_PAGE_ORDER) return `ring-page-order ${order} exceeds ${MAX_RING_PAGE_ORDER}`;
    return { count: 2 ** order, numbered: order > 0 || node('ring-ref') === null };
  }
  const count = numberIn(node, 'num-ring-pages') ?? 1;
  if (count < 1 || count > 2 ** MAX_RING_PAGE_ORDER || !Number.isInteger(Math.log2(count)))
    return `num-ring-pages ${count} is not supported`;
  return { count, numbered: count > 1 };
}

function readRing(
  node: (name: string) => string | null,
  directory: string,
  { count, numbered }: PageCount,
): RingAnnouncement | string {
  const port = numberIn(node, `${directory}event-channel`);
  if (port === null) return `reading ${directory}event-channel`;
  const grefs: number[] = [];
  for (let i = 0; i < count; i++) {
    const name = numbered ? `${directory}ring-ref${i}` : `${directory}ring-ref`;
    const gref = numberIn(node, name);
    if (gref === null) return `reading ${name}`;
    grefs.push(gref);
  }
  return { grefs, port };
}

function numberIn(node: (name: string) => string | null, name: string): number | null {
  const text = node(name);
  return text !== null && /^[0-9]{1,10}$/.test(text) ? Number(text) : null;
}
