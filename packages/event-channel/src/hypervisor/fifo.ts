import {
  EVTCHN_FIFO_BUSY,
  EVTCHN_FIFO_LINK_MASK,
  EVTCHN_FIFO_LINKED,
  EVTCHN_FIFO_MASKED,
  EVTCHN_FIFO_MAX_QUEUES,
  EVTCHN_FIFO_NR_CHANNELS,
  EVTCHN_FIFO_PENDING,
  EVTCHN_FIFO_PRIORITY_DEFAULT,
  EVTCHN_FIFO_PRIORITY_MIN,
  EvtchnFifoControlBlock,
  XEN_EINVAL,
  XEN_ENOSPC,
} from '@domu/xen-abi';
import { type EventHost, markEventsPending, type PortDelivery } from './delivery.ts';

/** What the FIFO ABI needs beside the rest: frames of the domain that Xen keeps writing to. */
export interface FifoHost extends EventHost {
  /** Holds the frame that the domain calls `gfn` for writing. @returns its machine frame number, or -errno */
  holdFrame(gfn: number): number;
  releaseFrame(mfn: number): void;
}

const PAGE_BYTES = 4096;
const WORDS_PER_PAGE = PAGE_BYTES / 4;
const MAX_ARRAY_PAGES = EVTCHN_FIFO_NR_CHANNELS / WORDS_PER_PAGE;
const PENDING = 2 ** EVTCHN_FIFO_PENDING;
const MASKED = 2 ** EVTCHN_FIFO_MASKED;
const LINKED = 2 ** EVTCHN_FIFO_LINKED;
const BUSY = 2 ** EVTCHN_FIFO_BUSY;
const HEAD_OFFSET: number = EvtchnFifoControlBlock.head.offset;

/**
 * The FIFO event ABI: one word per port in pages of the guest's, linked into 16 queues per vcpu by priority; a control
 * block per vcpu names the queues' heads and which of them are ready.
 *
 * Every word is [XEN,GST]. Xen trusts none: of a queue it remembers the tail itself, writes links only into words of ports
 * that it put there, and follows none. So a guest that scribbles over its words loses its own events, and no operation takes
 * more than a fixed number of steps.
 * Source: xen/common/event_fifo.c; xen/include/public/event_channel.h, "FIFO ABI" @ RELEASE-4.18.0
 */
export class FifoDelivery implements PortDelivery {
  readonly nrPorts: number = EVTCHN_FIFO_NR_CHANNELS;
  private readonly host: FifoHost;
  /** Machine address of each vcpu's control block, -1: none. */
  private readonly control: Float64Array;
  /** [vcpu * 16 + priority] = last port of the queue as Xen knows it, 0: none. */
  private readonly tails: Uint32Array;
  private readonly arrayMfns: number[] = [];
  private readonly priorities: Uint8Array;
  /** The queue (vcpu * 16 + priority) that a port was linked to last. */
  private readonly lastQueue: Uint16Array;
  /** Raised before its word existed. */
  private readonly saved: Uint8Array;

  /** @param options.nrPorts bound of the ports that are ever bound */
  constructor(host: FifoHost, options: { readonly nrVcpus: number; readonly nrPorts: number }) {
    this.host = host;
    this.control = new Float64Array(options.nrVcpus).fill(-1);
    this.tails = new Uint32Array(options.nrVcpus * EVTCHN_FIFO_MAX_QUEUES);
    const nrPorts = Math.min(options.nrPorts, EVTCHN_FIFO_NR_CHANNELS);
    this.priorities = new Uint8Array(nrPorts).fill(EVTCHN_FIFO_PRIORITY_DEFAULT);
    this.lastQueue = new Uint16Array(nrPorts);
    this.saved = new Uint8Array(nrPorts);
  }

  /** Number of ports that have a word. */
  get nrWords(): number {
    return this.arrayMfns.length * WORDS_PER_PAGE;
  }

  /**
   * Takes a control block into use (EVTCHNOP_init_control). Preconditions: the place fits the page and is aligned to 8 bytes
   * @returns 0; -EINVAL the vcpu has one already, or the frame cannot be written by the domain
   */
  mapControlBlock(vcpu: number, place: { readonly gfn: number; readonly offset: number }): number {
    if (this.control[vcpu] >= 0) return -XEN_EINVAL;
    const mfn = this.host.holdFrame(place.gfn);
    if (mfn < 0) return mfn;
    this.control[vcpu] = mfn * PAGE_BYTES + place.offset;
    return 0;
  }

  /** Takes another page of event words into use (EVTCHNOP_expand_array). @returns 0; -ENOSPC, -EINVAL as above */
  addPage(gfn: number): number {
    if (this.arrayMfns.length >= MAX_ARRAY_PAGES) return -XEN_ENOSPC;
    const mfn = this.host.holdFrame(gfn);
    if (mfn < 0) return mfn;
    this.arrayMfns.push(mfn);
    return 0;
  }

  /** Notes an event of a port that has no word yet; `takeSaved` gives it back when it has one. */
  save(port: number): void {
    this.saved[port] = 1;
  }

  /** @returns whether an event of `port` was saved, and forgets it */
  takeSaved(port: number): boolean {
    const was = this.saved[port] === 1;
    this.saved[port] = 0;
    return was;
  }

  /** Frames held for writing, one entry for each hold. For tests. */
  heldFrames(): readonly number[] {
    const controls = [...this.control].filter((maddr) => maddr >= 0);
    return [...controls.map((maddr) => Math.floor(maddr / PAGE_BYTES)), ...this.arrayMfns];
  }

  /** Gives all frames back. The object must not be used any more. */
  destroy(): void {
    for (const [vcpu, maddr] of this.control.entries()) {
      if (maddr >= 0) this.host.releaseFrame(Math.floor(maddr / PAGE_BYTES));
      this.control[vcpu] = -1;
    }
    for (const mfn of this.arrayMfns.splice(0)) this.host.releaseFrame(mfn);
  }

  bound(port: number): void {
    this.priorities[port] = EVTCHN_FIFO_PRIORITY_DEFAULT;
  }

  setPending(port: number, vcpu: number): void {
    const word = this.wordOf(port);
    if (word < 0) {
      this.save(port);
      return;
    }
    const control = this.control[vcpu];
    // A guest that unmasks before the vcpu's control block is there loses the event.
    if (control < 0) return;
    const { u32 } = this.host;
    const wasPending = (u32[word] & PENDING) !== 0;
    u32[word] |= PENDING;
    if ((u32[word] & (MASKED | LINKED)) === 0) this.link(port, vcpu);
    if (!wasPending) this.host.wakePollers(port);
  }

  /** The guest takes the port off the queue itself, and passes over what is not pending. */
  clearPending(port: number): void {
    this.saved[port] = 0;
    const word = this.wordOf(port);
    if (word >= 0) this.host.u32[word] &= ~PENDING;
  }

  unmask(port: number, vcpu: number): void {
    const word = this.wordOf(port);
    if (word < 0) return;
    this.host.u32[word] &= ~MASKED;
    if (this.isPending(port)) this.setPending(port, vcpu);
  }

  isPending(port: number): boolean {
    return this.has(port, PENDING);
  }

  isMasked(port: number): boolean {
    return this.wordOf(port) < 0 || this.has(port, MASKED);
  }

  isBusy(port: number): boolean {
    return this.has(port, LINKED);
  }

  /** Events that are queued already stay where they are. */
  setPriority(port: number, priority: number): number {
    if (priority > EVTCHN_FIFO_PRIORITY_MIN) return -XEN_EINVAL;
    this.priorities[port] = priority;
    return 0;
  }

  /** Throws when the bookkeeping contradicts itself, whatever the guest wrote. For tests. */
  checkInvariants(): void {
    for (const [queue, tail] of this.tails.entries()) {
      if (tail === 0) continue;
      if (this.wordOf(tail) < 0) throw new Error(`queue ${queue}: tail ${tail} has no word`);
      if (this.lastQueue[tail] !== queue) throw new Error(`queue ${queue}: tail ${tail} is of another queue`);
    }
  }

  /** Appends the port to the queue that its priority names, and makes the queue ready when it was empty. */
  private link(port: number, vcpu: number): void {
    const { u32 } = this.host;
    const priority = this.priorities[port];
    const queue = vcpu * EVTCHN_FIFO_MAX_QUEUES + priority;
    u32[this.wordOf(port)] |= LINKED;
    // As a tail it is gone from the old queue, which is empty now: a link to it would join the two queues.
    const oldQueue = this.lastQueue[port];
    if (this.tails[oldQueue] === port) this.tails[oldQueue] = 0;
    this.lastQueue[port] = queue;

    const tail = this.tails[queue];
    const linked = tail !== 0 && this.setLink(this.wordOf(tail), port);
    this.tails[queue] = port;
    if (linked) return;
    const control = this.control[vcpu] >>> 2;
    u32[control + ((HEAD_OFFSET >>> 2) + priority)] = port;
    const wasReady = (u32[control] >>> priority) & 1;
    u32[control] |= 1 << priority;
    if (!wasReady) markEventsPending(this.host, vcpu);
  }

  /** Links the tail to `port` if it is still on the queue: the guest clears LINKED when it takes the last one off. */
  private setLink(word: number, port: number): boolean {
    const { u32 } = this.host;
    if ((u32[word] & LINKED) === 0) return false;
    u32[word] = (u32[word] & ~(BUSY | EVTCHN_FIFO_LINK_MASK)) | port;
    return true;
  }

  /** Index into u32 of the port's word, or -1 while there is none. */
  private wordOf(port: number): number {
    const mfn = this.arrayMfns[Math.floor(port / WORDS_PER_PAGE)];
    return mfn === undefined ? -1 : mfn * WORDS_PER_PAGE + (port % WORDS_PER_PAGE);
  }

  private has(port: number, flag: number): boolean {
    const word = this.wordOf(port);
    return word >= 0 && (this.host.u32[word] & flag) !== 0;
  }
}
