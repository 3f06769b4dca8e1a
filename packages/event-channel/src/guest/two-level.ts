import {
  EVTCHN_2L_NR_CHANNELS,
  type GuestPort,
  kernelRead32,
  kernelUpdate32,
  type LinearAddr,
  SharedInfo,
  VcpuInfo,
} from '@domu/xen-abi';
import type { GuestDelivery } from './delivery.ts';
import type { EventPorts } from './ports.ts';

/** Where a kernel has mapped the pages that it shares with Xen. */
export interface EventPages {
  /** struct shared_info. */
  readonly sharedInfo: LinearAddr;
  /** @returns the vcpu's vcpu_info, in shared_info or where it was registered */
  vcpuInfo(vcpu: number): LinearAddr;
}

const WORDS = EVTCHN_2L_NR_CHANNELS / 32;

/**
 * The 2-level ABI from the guest's side: a selector bit names a word of 32 ports, a pending bit the port.
 * Source: xen/include/public/xen.h, "evtchn_pending" @ RELEASE-4.18.0
 */
export class TwoLevelGuest implements GuestDelivery {
  private readonly guest: GuestPort;
  private readonly ports: EventPorts;
  private readonly pages: EventPages;
  /** [vcpu][word]: the ports whose events the vcpu sees. The bitmap of pending ports is common to all. */
  private readonly owned: (Uint32Array | undefined)[] = [];
  /** The word after the one that was handled last: busy low ports must not starve the others. */
  private nextWord = 0;

  constructor(guest: GuestPort, ports: EventPorts, pages: EventPages) {
    this.guest = guest;
    this.ports = ports;
    this.pages = pages;
  }

  prepare(port: number, vcpu: number): number {
    const word = port >>> 5;
    for (const [owner, words] of this.owned.entries()) {
      if (words !== undefined && owner !== vcpu) words[word] &= ~(1 << (port & 31));
    }
    this.ownedBy(vcpu)[word] |= 1 << (port & 31);
    return 0;
  }

  mask(port: number): void {
    this.update(SharedInfo.evtchn_mask.offset, port, (word, bit) => word | bit);
  }

  /** A selector bit cannot be set from here without a race with Xen, so Xen does it when there is something to see. */
  unmask(port: number): void {
    if (this.isPending(port)) this.ports.unmask(port);
    else this.update(SharedInfo.evtchn_mask.offset, port, (word, bit) => word & ~bit);
  }

  isPending(port: number): boolean {
    return this.test(SharedInfo.evtchn_pending.offset, port);
  }

  isMasked(port: number): boolean {
    return this.test(SharedInfo.evtchn_mask.offset, port);
  }

  clear(port: number): void {
    this.update(SharedInfo.evtchn_pending.offset, port, (word, bit) => word & ~bit);
  }

  scan(vcpu: number, handle: (port: number) => void): number {
    const selector = this.pages.vcpuInfo(vcpu) + VcpuInfo.evtchn_pending_sel.offset;
    const words = kernelUpdate32(this.guest, selector, () => 0);
    let handled = 0;
    const first = this.nextWord;
    for (let i = 0; i < WORDS; i++) {
      const word = (first + i) % WORDS;
      if ((words >>> word) & 1) handled += this.scanWord(word, this.ownedBy(vcpu)[word], handle);
    }
    return handled;
  }

  private ownedBy(vcpu: number): Uint32Array {
    this.owned[vcpu] ??= new Uint32Array(WORDS);
    return this.owned[vcpu];
  }

  private scanWord(word: number, owned: number, handle: (port: number) => void): number {
    const { guest, pages } = this;
    const at = 4 * word;
    const others = kernelRead32(guest, pages.sharedInfo + SharedInfo.evtchn_mask.offset + at) | ~owned;
    const pendingAt = pages.sharedInfo + SharedInfo.evtchn_pending.offset + at;
    const ready = kernelUpdate32(guest, pendingAt, (pending) => pending & others) & ~others;
    let handled = 0;
    for (let bit = 0; bit < 32; bit++) {
      if (((ready >>> bit) & 1) === 0) continue;
      handled++;
      handle(32 * word + bit);
    }
    if (handled > 0) this.nextWord = (word + 1) % WORDS;
    return handled;
  }

  private test(bitmap: number, port: number): boolean {
    const word = kernelRead32(this.guest, this.pages.sharedInfo + bitmap + 4 * (port >>> 5));
    return ((word >>> (port & 31)) & 1) !== 0;
  }

  private update(bitmap: number, port: number, change: (word: number, bit: number) => number): void {
    const va = this.pages.sharedInfo + bitmap + 4 * (port >>> 5);
    kernelUpdate32(this.guest, va, (word) => change(word, 1 << (port & 31)));
  }
}
