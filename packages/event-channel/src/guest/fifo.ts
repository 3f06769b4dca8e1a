import {
  EVTCHN_FIFO_BUSY,
  EVTCHN_FIFO_LINK_MASK,
  EVTCHN_FIFO_LINKED,
  EVTCHN_FIFO_MASKED,
  EVTCHN_FIFO_MAX_QUEUES,
  EVTCHN_FIFO_PENDING,
  EvtchnFifoControlBlock,
  type GuestPort,
  kernelRead32,
  kernelUpdate32,
  kernelWrite32,
  type LinearAddr,
  XEN_ENOMEM,
} from '@domu/xen-abi';
import type { GuestDelivery } from './delivery.ts';
import type { EventPorts } from './ports.ts';

/** A page of the kernel's own, as the kernel and as Xen name it. */
export interface EventPage {
  readonly va: LinearAddr;
  /** Frame number by the domain's own count (direct paging: the mfn). */
  readonly gfn: number;
}

const PAGE_BYTES = 4096;
const WORDS_PER_PAGE = PAGE_BYTES / 4;
const PENDING = 2 ** EVTCHN_FIFO_PENDING;
const MASKED = 2 ** EVTCHN_FIFO_MASKED;
const LINKED = 2 ** EVTCHN_FIFO_LINKED;
const BUSY = 2 ** EVTCHN_FIFO_BUSY;

/**
 * The FIFO ABI from the guest's side: takes events off the queues of each vcpu, highest priority first.
 * Source: xen/include/public/event_channel.h, "FIFO ABI" @ RELEASE-4.18.0
 */
export class FifoGuest implements GuestDelivery {
  private readonly guest: GuestPort;
  private readonly ports: EventPorts;
  private readonly addPage: () => EventPage | null;
  private readonly control: LinearAddr[] = [];
  private readonly array: LinearAddr[] = [];
  /** [vcpu * 16 + priority] = first port still to be taken off, 0: ask the control block. */
  private readonly heads: Map<number, number> = new Map();

  /** @param addPage gives a page for event words; null when there is none */
  constructor(guest: GuestPort, ports: EventPorts, addPage: () => EventPage | null) {
    this.guest = guest;
    this.ports = ports;
    this.addPage = addPage;
  }

  /**
   * Gives a vcpu its control block, at the start of `page`. With the first one the domain leaves the 2-level ABI.
   * @returns 0, or -errno (-XEN_ENOSYS: Xen has no FIFO queues, and the 2-level ABI stays)
   */
  startVcpu(vcpu: number, page: EventPage): number {
    for (let i = 0; i < EvtchnFifoControlBlock.size; i += 4) kernelWrite32(this.guest, page.va + i, 0);
    const rc = this.ports.initControl(vcpu, { gfn: page.gfn, offset: 0 });
    if (rc === 0) this.control[vcpu] = page.va;
    return rc;
  }

  /** Makes sure that `port` has an event word; new words start masked. */
  prepare(port: number): number {
    while (port >= this.array.length * WORDS_PER_PAGE) {
      const page = this.addPage();
      if (page === null) return -XEN_ENOMEM;
      for (let i = 0; i < WORDS_PER_PAGE; i++) kernelWrite32(this.guest, page.va + 4 * i, MASKED);
      const rc = this.ports.expandArray(page.gfn);
      if (rc !== 0) return rc;
      this.array.push(page.va);
    }
    return 0;
  }

  mask(port: number): void {
    kernelUpdate32(this.guest, this.wordOf(port), (word) => word | MASKED);
  }

  /** While Xen links another port behind this one (BUSY) the mask must stay; Xen itself clears it then. */
  unmask(port: number): void {
    const va = this.wordOf(port);
    const before = kernelUpdate32(this.guest, va, (word) => (word & BUSY ? word : word & ~MASKED));
    if (before & (PENDING | BUSY)) this.ports.unmask(port);
  }

  isPending(port: number): boolean {
    return (kernelRead32(this.guest, this.wordOf(port)) & PENDING) !== 0;
  }

  isMasked(port: number): boolean {
    return (kernelRead32(this.guest, this.wordOf(port)) & MASKED) !== 0;
  }

  clear(port: number): void {
    kernelUpdate32(this.guest, this.wordOf(port), (word) => word & ~PENDING);
  }

  scan(vcpu: number, handle: (port: number) => void): number {
    const control = this.control[vcpu];
    if (control === undefined) return 0;
    let handled = 0;
    let ready = 0;
    for (;;) {
      // Looked at again after each event, so that a higher priority that comes up is next.
      ready |= kernelUpdate32(this.guest, control, () => 0);
      if (ready === 0) return handled;
      const priority = lowestBit(ready);
      const { port, last } = this.takeFirst(vcpu, control, priority);
      if (last) ready &= ~(1 << priority);
      if (port === 0 || !this.claim(port)) continue;
      handled++;
      handle(port);
    }
  }

  /** Takes the first port off a queue, and finds out whether it was the last. */
  private takeFirst(vcpu: number, control: LinearAddr, priority: number): { port: number; last: boolean } {
    const queue = vcpu * EVTCHN_FIFO_MAX_QUEUES + priority;
    const headAt = control + EvtchnFifoControlBlock.head.offset + 4 * priority;
    const port = this.heads.get(queue) || kernelRead32(this.guest, headAt);
    if (port === 0) return { port, last: true };
    const off = (word: number): number => word & ~(LINKED | EVTCHN_FIFO_LINK_MASK);
    const next = kernelUpdate32(this.guest, this.wordOf(port), off) & EVTCHN_FIFO_LINK_MASK;
    this.heads.set(queue, next);
    return { port, last: next === 0 };
  }

  /** Clears a port that is pending and not masked. @returns whether it was */
  private claim(port: number): boolean {
    const ready = (word: number): boolean => (word & PENDING) !== 0 && (word & MASKED) === 0;
    return ready(
      kernelUpdate32(this.guest, this.wordOf(port), (word) => (ready(word) ? word & ~PENDING : word)),
    );
  }

  private wordOf(port: number): LinearAddr {
    const page = this.array[Math.floor(port / WORDS_PER_PAGE)];
    if (page === undefined) throw new RangeError(`port ${port} has no event word`);
    return (page + 4 * (port % WORDS_PER_PAGE)) as LinearAddr;
  }
}

function lowestBit(word: number): number {
  return 31 - Math.clz32(word & -word);
}
