import {
  __HYPERVISOR_memory_op,
  DOMID_SELF,
  XEN_EFAULT,
  XEN_EINVAL,
  XEN_ENOMEM,
  XEN_EPERM,
  XEN_ESRCH,
  XENMEM_exchange,
  XenMemoryExchange,
} from '@domu/xen-abi';
import type { Caller } from '../caller.ts';
import { allocRun, giveRun } from '../frame-runs.ts';
import { extentWork } from './memory-reservation.ts';

interface Extents {
  readonly list: number;
  readonly nr: number;
  readonly order: number;
  readonly domid: number;
}

/** A struct xen_memory_exchange, copied out of the guest. */
interface Exchange {
  readonly input: Extents;
  readonly output: Extents;
  readonly nrExchanged: number;
}

/**
 * XENMEM_exchange: gives up frames and gets as many others in runs of another length, chunk by chunk. `nr_exchanged` tells
 * how far it came; a chunk that fails is left as it was.
 * @returns 0; -EPERM extents too large, or another domain; -EINVAL lists that do not match, or a frame in use; -ESRCH; -ENOMEM; -EFAULT
 * Source: xen/common/memory.c, "memory_exchange" @ RELEASE-4.18.0
 */
export function exchange(caller: Caller, arg: number): number {
  const request = readRequest(caller, arg);
  if (request === null) return -XEN_EFAULT;
  const { input, output, nrExchanged } = request;
  const refusal = check(caller, request);
  if (refusal !== 0) return refusal;
  // One chunk is what the longer extents of the two lists need.
  const inputsPerChunk = 1 << Math.max(0, output.order - input.order);
  const outputsPerChunk = 1 << Math.max(0, input.order - output.order);
  const nrChunks = Math.floor(input.nr / inputsPerChunk);
  let chunk = Math.floor(nrExchanged / inputsPerChunk);
  const { work } = caller.machine;
  const firstChunk = chunk;
  let rc = 0;
  for (; chunk < nrChunks; chunk++) {
    if (chunk > firstChunk && work.exhausted) {
      rc = work.continueAs(__HYPERVISOR_memory_op, XENMEM_exchange, arg);
      break;
    }
    work.charge(extentWork(Math.max(input.order, output.order)));
    rc = exchangeChunk(caller, {
      input: { ...input, list: input.list + 4 * chunk * inputsPerChunk, nr: inputsPerChunk },
      output: { ...output, list: output.list + 4 * chunk * outputsPerChunk, nr: outputsPerChunk },
    });
    if (rc !== 0) break;
  }
  const done = caller.mem.writeU32(arg + XenMemoryExchange.nr_exchanged.offset, chunk * inputsPerChunk);
  return done ? rc : -XEN_EFAULT;
}

function readRequest({ mem }: Caller, arg: number): Exchange | null {
  const view = mem.readView(arg, XenMemoryExchange.size);
  if (view === null) return null;
  const extents = (side: typeof XenMemoryExchange.in): Extents => ({
    list: side.extent_start.get(view, 0),
    nr: side.nr_extents.get(view, 0),
    order: side.extent_order.get(view, 0),
    domid: side.domid.get(view, 0),
  });
  const nrExchanged = XenMemoryExchange.nr_exchanged.get(view, 0);
  return { input: extents(XenMemoryExchange.in), output: extents(XenMemoryExchange.out), nrExchanged };
}

function check({ machine, domain, mem }: Caller, { input, output, nrExchanged }: Exchange): number {
  if (Math.max(input.order, output.order) > domain.release.maxExtentOrder) return -XEN_EPERM;
  const inputPages = input.nr * 2 ** input.order;
  if (nrExchanged > input.nr || input.domid !== output.domid) return -XEN_EINVAL;
  if (inputPages !== output.nr * 2 ** output.order || inputPages >= 2 ** 32) return -XEN_EINVAL;
  if (!mem.accessOk(input.list, 4 * input.nr) || !mem.accessOk(output.list, 4 * output.nr))
    return -XEN_EFAULT;
  if (input.domid === DOMID_SELF || input.domid === domain.id) return 0;
  return machine.channelsOf(input.domid) === undefined ? -XEN_ESRCH : -XEN_EPERM;
}

function exchangeChunk(caller: Caller, chunk: { input: Extents; output: Extents }): number {
  const { machine } = caller;
  const stolen: Stolen[] = [];
  const runs: number[] = [];
  const rc = steal(caller, chunk.input, stolen) || allocateRuns(caller, chunk.output, runs);
  if (rc !== 0) {
    for (const frame of stolen) giveBack(caller, frame);
    for (const mfn of runs) for (let i = 0; i < 1 << chunk.output.order; i++) machine.frames.freeXen(mfn + i);
    return rc;
  }
  for (const { mfn } of stolen) machine.frames.freeXen(mfn);
  return handOver(caller, chunk.output, runs);
}

/** A frame taken from the domain, and what the machine-to-phys table said of it. */
interface Stolen {
  readonly mfn: number;
  readonly pfn: number;
}

function steal({ machine, domain, mem }: Caller, input: Extents, stolen: Stolen[]): number {
  for (let i = 0; i < input.nr; i++) {
    const first = mem.readU32(input.list + 4 * i);
    if (first < 0) return -XEN_EFAULT;
    for (let k = 0; k < 1 << input.order; k++) {
      const pfn = machine.m2p.get(domain.paging.toMfn(first + k));
      const mfn = domain.paging.stealFrame(first + k);
      if (mfn < 0) return mfn;
      stolen.push({ mfn, pfn });
    }
  }
  return 0;
}

function giveBack({ machine, domain }: Caller, { mfn, pfn }: Stolen): void {
  machine.frames.giveTo(mfn, domain.id);
  domain.paging.addFrame(pfn, mfn);
}

function allocateRuns({ machine }: Caller, output: Extents, runs: number[]): number {
  for (let i = 0; i < output.nr; i++) {
    const mfn = allocRun(machine, output.order);
    if (mfn < 0) return -XEN_ENOMEM;
    runs.push(mfn);
  }
  return 0;
}

/** Beyond this point the chunk is done: an unreadable list costs the guest the knowledge of its frames, as in Xen. */
function handOver({ machine, domain, mem }: Caller, output: Extents, runs: readonly number[]): number {
  let rc = 0;
  for (const [i, mfn] of runs.entries()) {
    giveRun(machine, { mfn, order: output.order }, domain.id);
    const gpfn = mem.readU32(output.list + 4 * i);
    if (gpfn < 0) {
      rc = -XEN_EFAULT;
      continue;
    }
    for (let k = 0; k < 1 << output.order; k++) domain.paging.addFrame(gpfn + k, mfn + k);
    const name = domain.paging.toGfn(mfn);
    if (name !== gpfn && !mem.writeU32(output.list + 4 * i, name)) rc = -XEN_EFAULT;
  }
  return rc;
}
