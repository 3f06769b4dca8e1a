import {
  __HYPERVISOR_memory_op,
  DOMID_SELF,
  XENMEM_decrease_reservation,
  XENMEM_populate_physmap,
  XenMemoryReservation,
} from '@domu/xen-abi';
import type { Caller } from '../caller.ts';
import { allocRun, giveRun } from '../frame-runs.ts';

/** Largest extent an unprivileged domain may ask for: 2 MiB. Source: xen/common/memory.c, "CONFIG_DOMU_MAX_ORDER" */
const DOMU_MAX_ORDER = 9;
/** Extents that are done already are counted above the command. Source: xen/include/xen/hypercall.h */
export const MEMOP_EXTENT_SHIFT = 6;
/** More extents than a continuation could count. */
const MAX_EXTENTS = 0x3ff_ffff;
const FRAMES_PER_WORK_UNIT = 4;

/** Work for the hypercall's budget: frames are cleared on their way from one owner to the next. */
export function extentWork(order: number): number {
  return Math.ceil(2 ** order / FRAMES_PER_WORK_UNIT);
}

interface Reservation {
  readonly caller: Caller;
  /** Linear address of the list of frame numbers, 0 for none. */
  readonly list: number;
  readonly nrExtents: number;
  readonly order: number;
}

/**
 * XENMEM_increase_reservation, _decrease_reservation and _populate_physmap.
 * @param start extents that are already done
 * @returns number of extents done in all; anything that cannot be done ends the list, and is no error
 * Source: xen/common/memory.c, "increase_reservation", "decrease_reservation", "populate_physmap" @ RELEASE-4.18.0
 */
export function adjustReservation(
  caller: Caller,
  start: { readonly op: number; readonly startExtent: number },
  arg: number,
): number {
  const { op, startExtent } = start;
  const view = caller.mem.readView(arg, XenMemoryReservation.size);
  if (view === null) return startExtent;
  const domid = XenMemoryReservation.domid.get(view, 0);
  const reservation: Reservation = {
    caller,
    list: XenMemoryReservation.extent_start.get(view, 0),
    nrExtents: XenMemoryReservation.nr_extents.get(view, 0),
    order: XenMemoryReservation.extent_order.get(view, 0),
  };
  const { list, nrExtents, order } = reservation;
  if (domid !== DOMID_SELF && domid !== caller.domain.id) return startExtent;
  const { maxExtentOrder } = caller.domain.release;
  const maxOrder = op === XENMEM_decrease_reservation ? DOMU_MAX_ORDER : maxExtentOrder;
  if (nrExtents > MAX_EXTENTS || order > maxOrder) return startExtent;
  if (!caller.mem.accessOk(list, 4 * nrExtents)) return startExtent;

  const adjust =
    op === XENMEM_decrease_reservation ? decrease : op === XENMEM_populate_physmap ? populate : increase;
  const { work } = caller.machine;
  let done = startExtent;
  for (; done < nrExtents; done++) {
    if (done > startExtent && work.exhausted)
      return work.continueAs(__HYPERVISOR_memory_op, (op | (done << MEMOP_EXTENT_SHIFT)) >>> 0, arg);
    work.charge(extentWork(order));
    if (!adjust(reservation, done)) break;
  }
  return done;
}

/** Does one extent. @returns false when it could not be done */
type Adjust = (reservation: Reservation, index: number) => boolean;

const increase: Adjust = (reservation, index) => {
  const { caller, list } = reservation;
  const mfn = allocate(reservation);
  return mfn >= 0 && (list === 0 || caller.mem.writeU32(list + 4 * index, mfn));
};

const populate: Adjust = (reservation, index) => {
  const { caller, list, order } = reservation;
  const gpfn = caller.mem.readU32(list + 4 * index);
  if (gpfn < 0) return false;
  const mfn = allocate(reservation);
  if (mfn < 0) return false;
  const { paging, machine } = caller.domain;
  for (let i = 0; i < 1 << order; i++) {
    if (paging.addFrame(gpfn + i, mfn + i)) continue;
    machine.frames.putAllocRef(mfn + i);
    return false;
  }
  const name = paging.toGfn(mfn);
  return name === gpfn || caller.mem.writeU32(list + 4 * index, name);
};

const decrease: Adjust = ({ caller, list, order }, index) => {
  const gfn = caller.mem.readU32(list + 4 * index);
  if (gfn < 0) return false;
  for (let i = 0; i < 1 << order; i++) {
    if (caller.domain.paging.releaseFrame(gfn + i) !== 0) return false;
  }
  return true;
};

/** @returns the first of 2^order new frames of the caller's, or -1 at its limit or without memory */
function allocate({ caller, order }: Reservation): number {
  const { machine, domain } = caller;
  if (domain.totPages + (1 << order) > domain.maxPages) return -1;
  if (order === 0) return machine.frames.alloc(domain.id);
  const mfn = allocRun(machine, order);
  if (mfn >= 0) giveRun(machine, { mfn, order }, domain.id);
  return mfn;
}
