import { XEN_EINVAL } from '@domu/xen-abi';
import { EventChannels } from './event-channels.ts';
import type { FifoHost } from './fifo.ts';
import { HostEvents } from './host-events.ts';
import { TwoLevelDelivery, type TwoLevelHost } from './two-level.ts';

export const SHARED_INFO = 0x1000;
const VCPU_INFO = 0x2000;
const NR_PAGES = 64;
/** First page that a test may use as it likes; the last one is in use as a page table. */
export const FIRST_FREE_PAGE = 8;
export const TABLE_PAGE: number = NR_PAGES - 1;

/** A domain's event bits in a memory of its own, with the calls that delivery makes written down. */
export class FakeDomain {
  readonly u8: Uint8Array = new Uint8Array(NR_PAGES * 4096);
  readonly u32: Uint32Array = new Uint32Array(this.u8.buffer);
  readonly kicked: number[] = [];
  readonly polled: number[] = [];
  readonly channels: EventChannels;
  /** How often each page is held for FIFO queues. */
  readonly held: Uint8Array = new Uint8Array(NR_PAGES);
  private infoBase = VCPU_INFO;

  constructor(world: FakeWorld, options: { domid: number; nrVcpus?: number; maxPort?: number }) {
    const host: TwoLevelHost & FifoHost = {
      u8: this.u8,
      u32: this.u32,
      sharedInfo: () => SHARED_INFO,
      vcpuInfo: (vcpu) => this.vcpuInfo(vcpu),
      kick: (vcpu) => this.kicked.push(vcpu),
      wakePollers: (port) => this.polled.push(port),
      holdFrame: (gfn) => {
        if (!(gfn >= 0 && gfn < TABLE_PAGE)) return -XEN_EINVAL;
        this.held[gfn]++;
        return gfn;
      },
      releaseFrame: (mfn) => {
        this.held[mfn]--;
      },
    };
    this.channels = new EventChannels({
      domid: options.domid,
      nrVcpus: options.nrVcpus ?? 2,
      maxPort: options.maxPort ?? 1023,
      delivery: new TwoLevelDelivery(host),
      fifo: host,
      peers: (domid) => world.tables.get(domid),
    });
    world.tables.set(options.domid, this.channels);
  }

  /** Moves every vcpu_info, as VCPUOP_register_vcpu_info does. */
  moveVcpuInfo(): void {
    this.infoBase = 0x3000;
  }

  vcpuInfo(vcpu: number): number {
    return this.infoBase + 64 * vcpu;
  }

  pending(port: number): boolean {
    return ((this.u32[(SHARED_INFO + 0x800) / 4 + (port >>> 5)] >>> (port & 31)) & 1) === 1;
  }

  setMask(port: number, masked: boolean): void {
    const word = (SHARED_INFO + 0x880) / 4 + (port >>> 5);
    const bit = 1 << (port & 31);
    this.u32[word] = masked ? this.u32[word] | bit : this.u32[word] & ~bit;
  }

  pendingSel(vcpu: number): number {
    return this.u32[this.vcpuInfo(vcpu) / 4 + 1];
  }

  upcallPending(vcpu: number): number {
    return this.u8[this.vcpuInfo(vcpu)];
  }

  /** Forgets everything pending and everything written down, as a guest that has handled its events. */
  settle(): void {
    this.u32.fill(0, (SHARED_INFO + 0x800) / 4, (SHARED_INFO + 0x880) / 4);
    this.u8.fill(0, VCPU_INFO, FIRST_FREE_PAGE * 4096);
    this.kicked.length = 0;
    this.polled.length = 0;
  }
}

/** Domains that can reach each other; domid 0 is the host, with handlers in place of vcpus. */
export class FakeWorld {
  readonly tables: Map<number, EventChannels> = new Map();
  kicks = 0;
  readonly hostEvents: HostEvents = new HostEvents(() => {
    this.kicks++;
  });
  readonly host: EventChannels = new EventChannels({
    domid: 0,
    nrVcpus: 1,
    maxPort: 4095,
    delivery: this.hostEvents,
    peers: (domid) => this.tables.get(domid),
  });

  constructor() {
    this.tables.set(0, this.host);
  }
}
