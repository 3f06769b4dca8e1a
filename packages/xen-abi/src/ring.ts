/**
 * Arithmetic of the shared request/response rings; all indices are free-running unsigned 32-bit counters.
 * Source: xen/include/public/io/ring.h @ RELEASE-4.18.0
 */
import { bytes, struct, u32 } from './struct.ts';

/** Header of a ring page (the C type is made per protocol by DEFINE_RING_TYPES, e.g. `blkif_sring`). */
export const Sring = struct('sring', {
  req_prod: u32, // requests published                         [front]
  req_event: u32, // the backend wants an event at this request [back]
  rsp_prod: u32, // responses published                         [back]
  rsp_event: u32, // the frontend wants an event at this response [front]
  pad: bytes(48),
});

/** Bytes before the first slot. */
export const SRING_HEADER_BYTES = 64;
/** What a fresh ring has in req_event and rsp_event. */
export const SRING_FIRST_EVENT = 1;

/**
 * Number of slots: the largest power of two that fits.
 * @param ringBytes bytes of the shared ring (a multiple of 4096)
 * @param slotBytes size of the larger of request and response
 */
export function nrSlots(ringBytes: number, slotBytes: number): number {
  const fitting = Math.floor((ringBytes - SRING_HEADER_BYTES) / slotBytes);
  return fitting < 1 ? 0 : 2 ** (31 - Math.clz32(fitting));
}

/** Byte offset of the slot of index `idx`. @param slots a power of two; @param stride bytes from slot to slot */
export function slotOffset(idx: number, slots: number, stride: number): number {
  return SRING_HEADER_BYTES + (idx & (slots - 1)) * stride;
}

/** Next index. */
export function nextIdx(idx: number): number {
  return (idx + 1) >>> 0;
}

/** How far `to` is ahead of `from`. */
export function idxDistance(to: number, from: number): number {
  return (to - from) >>> 0;
}

/** Slots a producer of requests may still fill. @param reqProdPvt its private producer; @param rspCons responses it consumed */
export function freeSlots(reqProdPvt: number, rspCons: number, slots: number): number {
  return slots - idxDistance(reqProdPvt, rspCons);
}

/** Published and not yet consumed entries (of a peer that may lie: the result can exceed the number of slots). */
export function unconsumed(prod: number, cons: number): number {
  return idxDistance(prod, cons);
}

/**
 * Requests a backend may consume: published ones, but never more than it has room to answer.
 * @param reqProd published by the frontend; @param reqCons consumed; @param rspProdPvt responses produced
 */
export function unconsumedRequests(
  reqProd: number,
  reqCons: number,
  rspProdPvt: number,
  slots: number,
): number {
  return Math.min(idxDistance(reqProd, reqCons), slots - idxDistance(reqCons, rspProdPvt));
}

/** True if the peer published more than the ring holds: the ring is corrupt. */
export function isOverflow(prod: number, consPvt: number, slots: number): boolean {
  return idxDistance(prod, consPvt) > slots;
}

/**
 * Whether publishing must notify the peer.
 * @param oldProd index before publishing, @param newProd after; @param event the peer's req_event or rsp_event, read after
 */
export function mustNotify(oldProd: number, newProd: number, event: number): boolean {
  return idxDistance(newProd, event) < idxDistance(newProd, oldProd);
}
