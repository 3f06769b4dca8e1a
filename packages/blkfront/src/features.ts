import {
  BLKIF_MAX_INDIRECT_PAGES_PER_REQUEST,
  BLKIF_MAX_SEGMENTS_PER_REQUEST,
  BLKIF_SECTOR_BYTES,
  VDISK_CDROM,
  VDISK_READONLY,
  VDISK_REMOVABLE,
} from '@domu/xen-abi';
import type { Nodes } from '@domu/xenstore/client';
import { SEGMENTS_PER_INDIRECT_PAGE } from './encode.ts';

/** What a frontend will use at most; the backend may have less. */
export interface BlkfrontLimits {
  /** Rings of up to 2^n pages. Default 0: 32 requests in flight. */
  readonly ringPageOrder: number;
  /** Rings. Default 1. */
  readonly queues: number;
  /** Pages of one request, above 11 with indirect requests. Default 64. */
  readonly segments: number;
  /** Whether to offer persistent grants. Default true. */
  readonly persistent: boolean;
  /** Pages for data of all requests together, at least 16. Default 1024. */
  readonly pages: number;
}

export const DEFAULT_LIMITS: BlkfrontLimits = {
  ringPageOrder: 0,
  queues: 1,
  segments: 64,
  persistent: true,
  pages: 1024,
};

/** A disk as its backend describes it. */
export interface DiskProperties {
  /** Size in sectors of 512 bytes. */
  readonly sectors: number;
  readonly readonly: boolean;
  readonly removable: boolean;
  readonly cdrom: boolean;
  /** Requests must begin and end at multiples of this. */
  readonly sectorBytes: number;
  /** What the medium writes at once. */
  readonly physicalSectorBytes: number;
  /** Present when the disk takes discards. Both in bytes. */
  readonly discard: {
    readonly granularity: number;
    readonly alignment: number;
    readonly secure: boolean;
  } | null;
}

/** What may be put into the rings; an operation that the backend does not know after all is taken out. */
export interface RequestFeatures {
  flush: boolean;
  barrier: boolean;
  discard: boolean;
  discardSecure: boolean;
  readonly persistent: boolean;
  /** Most segments of one request. */
  readonly maxSegments: number;
}

/** Shape of the rings. */
export interface RingChoice {
  readonly ringPages: number;
  readonly queues: number;
}

export const OFFER_NODES: readonly string[] = [
  'max-ring-page-order',
  'max-ring-pages',
  'multi-queue-max-queues',
];

export const PROPERTY_NODES: readonly string[] = [
  'sectors',
  'info',
  'sector-size',
  'physical-sector-size',
  'feature-flush-cache',
  'feature-barrier',
  'feature-discard',
  'discard-granularity',
  'discard-alignment',
  'discard-secure',
  'feature-persistent',
  'feature-max-indirect-segments',
];

const MAX_RING_PAGE_ORDER = 4;
const MAX_QUEUES = 16;
const MAX_SECTOR_BYTES = 4096;
const MAX_INDIRECT_SEGMENTS = BLKIF_MAX_INDIRECT_PAGES_PER_REQUEST * SEGMENTS_PER_INDIRECT_PAGE;

/** @returns the node's number, or `missing` when it is not there or none */
function numberOf(nodes: Nodes, name: string, missing: number): number {
  const text = nodes.get(name) ?? '';
  const value = /^[0-9]{1,16}$/.test(text) ? Number(text) : missing;
  return Number.isSafeInteger(value) ? value : missing;
}

/** Chooses rings. A backend may say how many pages it takes as an order or as a number. */
export function chooseRings(offers: Nodes, limits: BlkfrontLimits): RingChoice {
  const byNumber = Math.floor(Math.log2(Math.max(1, numberOf(offers, 'max-ring-pages', 1))));
  const offered = Math.max(numberOf(offers, 'max-ring-page-order', 0), byNumber);
  const order = Math.min(offered, limits.ringPageOrder, MAX_RING_PAGE_ORDER);
  const queues = Math.min(numberOf(offers, 'multi-queue-max-queues', 1), limits.queues, MAX_QUEUES);
  return { ringPages: 2 ** order, queues: Math.max(1, queues) };
}

/** @returns the disk, or what is wrong with what the backend says of it */
export function readProperties(nodes: Nodes): DiskProperties | string {
  const sectors = numberOf(nodes, 'sectors', -1);
  if (sectors < 0) return 'the backend does not say how many sectors there are';
  const sectorBytes = numberOf(nodes, 'sector-size', BLKIF_SECTOR_BYTES);
  const isPower = Number.isInteger(Math.log2(sectorBytes));
  if (!isPower || sectorBytes < BLKIF_SECTOR_BYTES || sectorBytes > MAX_SECTOR_BYTES)
    return `sectors of ${sectorBytes} bytes`;
  const info = numberOf(nodes, 'info', 0);
  const discard = numberOf(nodes, 'feature-discard', 0) !== 0;
  return {
    sectors,
    readonly: (info & VDISK_READONLY) !== 0,
    removable: (info & VDISK_REMOVABLE) !== 0,
    cdrom: (info & VDISK_CDROM) !== 0,
    sectorBytes,
    physicalSectorBytes: numberOf(nodes, 'physical-sector-size', sectorBytes),
    discard: discard
      ? {
          granularity: numberOf(nodes, 'discard-granularity', sectorBytes),
          alignment: numberOf(nodes, 'discard-alignment', 0),
          secure: numberOf(nodes, 'discard-secure', 0) !== 0,
        }
      : null,
  };
}

/** @returns what the backend takes, within `limits` */
export function readFeatures(nodes: Nodes, limits: BlkfrontLimits): RequestFeatures {
  const flag = (name: string): boolean => numberOf(nodes, name, 0) !== 0;
  const indirect = Math.min(numberOf(nodes, 'feature-max-indirect-segments', 0), MAX_INDIRECT_SEGMENTS);
  return {
    flush: flag('feature-flush-cache'),
    barrier: flag('feature-barrier'),
    discard: flag('feature-discard'),
    discardSecure: flag('discard-secure'),
    persistent: limits.persistent && flag('feature-persistent'),
    maxSegments: Math.max(1, Math.min(limits.segments, Math.max(indirect, BLKIF_MAX_SEGMENTS_PER_REQUEST))),
  };
}
