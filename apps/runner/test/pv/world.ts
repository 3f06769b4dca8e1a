import type { BackendHost } from '@domu/backends';
import { EventPorts, GuestEvents, TwoLevelGuest } from '@domu/event-channel/guest';
import { EventChannels, HostEvents, TwoLevelDelivery } from '@domu/event-channel/hypervisor';
import { GuestGrants } from '@domu/grant-table/guest';
import { GrantTable, HostGrants } from '@domu/grant-table/hypervisor';
import { FakeGuestPort } from '@domu/testkit';
import {
  __HYPERVISOR_event_channel_op,
  __HYPERVISOR_grant_table_op,
  DOMID_SELF,
  domId,
  EVTCHNOP_alloc_unbound,
  EVTCHNOP_bind_interdomain,
  EVTCHNOP_close,
  EVTCHNOP_send,
  EVTCHNOP_unmask,
  GNTST_okay,
  GNTTABOP_query_size,
  GNTTABOP_setup_table,
  type LinearAddr,
  XEN_ENOSYS,
} from '@domu/xen-abi';
import { GuestRingPage, XenStoreClient } from '@domu/xenstore/client';
import { XenStore, type XenStoreRing } from '@domu/xenstore/server';
import { PlainFrames } from './frames.ts';

export const GUEST = 5;
const SHARED_INFO = 0x1000;
const STORE_PAGE = 0x2000;
const SCRATCH = 0x3000;
const FIRST_FREE_PAGE = 16;
const NR_FRAMES = 4096;
/** Frames at the top that hold the grant table. */
const NR_GRANT_FRAMES = 16;
const MAX_ROUNDS = 100_000;

/**
 * Both sides of a paravirtual device with nothing between them but what Xen has: event channels, grants and xenstore,
 * from the hypervisor's packages, with memory that is mapped one to one in place of a CPU.
 */
export class PvWorld {
  readonly frames: PlainFrames = new PlainFrames(NR_FRAMES);
  readonly store: XenStore;
  readonly host: BackendHost;
  readonly guest: FakeGuestPort;
  readonly hostGrants: GrantTable;
  readonly channels: EventChannels;
  readonly #jobs: (() => void)[] = [];
  readonly #hostEvents: HostEvents;
  readonly #hostChannels: EventChannels;
  readonly #grantTable: GrantTable;
  readonly #pages: Set<number> = new Set();
  readonly #free: number[] = [];
  #ring: XenStoreRing | null = null;
  // The guest's half, made anew by `boot`.
  events!: GuestEvents;
  grants!: GuestGrants;
  client!: XenStoreClient;

  constructor() {
    const { u8, u32 } = this.frames;
    const tables = new Map<number, EventChannels>();
    const grantTables = new Map<number, GrantTable>();
    const delivery = new TwoLevelDelivery({
      u8,
      u32,
      sharedInfo: () => SHARED_INFO,
      vcpuInfo: () => SHARED_INFO,
      kick: () => {},
      wakePollers: () => {},
    });
    const peers = (domid: number): EventChannels | undefined => tables.get(domid);
    this.channels = new EventChannels({ domid: GUEST, nrVcpus: 1, maxPort: 1023, delivery, peers });
    this.#hostEvents = new HostEvents(() => this.#jobs.push(() => this.#hostEvents.dispatch()));
    this.#hostChannels = new EventChannels({
      domid: 0,
      nrVcpus: 1,
      maxPort: 4095,
      delivery: this.#hostEvents,
      peers,
    });
    tables.set(GUEST, this.channels).set(0, this.#hostChannels);
    const table = (domid: number, maxFrames: number): GrantTable => {
      const made = new GrantTable({
        domid,
        maxFrames,
        frames: this.frames,
        peers: (id) => grantTables.get(id),
      });
      grantTables.set(domid, made);
      return made;
    };
    this.#grantTable = table(GUEST, NR_GRANT_FRAMES);
    this.hostGrants = table(0, 1);
    const grants = new HostGrants(this.hostGrants);
    this.host = {
      bindInterdomain: (domid, port, handler) => {
        const bound = this.#hostEvents.bind(this.#hostChannels, { domid, port }, handler);
        if (typeof bound === 'number') return bound;
        return { notify: () => void bound.notify(), close: () => bound.close() };
      },
      mapGrant: (domid, gref, options) => grants.map(domid, gref, options),
    };
    this.store = new XenStore({ defer: (job) => this.#jobs.push(job) });
    this.store.mkdir(`/local/domain/${GUEST}`);
    this.store.setPerms(`/local/domain/${GUEST}`, [`n${GUEST}`]);
    this.guest = new FakeGuestPort(u8, (nr, cmd, at) => this.#hypercall(nr, cmd, at));
    for (let page = FIRST_FREE_PAGE; page < NR_FRAMES - 2 * NR_GRANT_FRAMES; page++) this.#free.push(page);
    this.boot();
  }

  /** Pages that the guest's drivers hold. */
  get nrPages(): number {
    return this.#pages.size;
  }

  /** Pages of the guest that backends have mapped. */
  get nrMapped(): number {
    return this.hostGrants.maptrack.size;
  }

  /** Ports of the guest in use, without the store's. */
  get nrPorts(): number {
    return this.channels.nrActive - 1;
  }

  /** Starts the guest's kernel over: what it knew is gone. */
  boot(): void {
    this.#connectStore();
    const ports = new EventPorts(this.guest, SCRATCH as LinearAddr);
    const pages = { sharedInfo: SHARED_INFO as LinearAddr, vcpuInfo: () => SHARED_INFO as LinearAddr };
    const delivery = new TwoLevelGuest(this.guest, ports, pages);
    this.events = new GuestEvents(this.guest, { ports, pages, delivery });
    this.grants = new GuestGrants(this.guest, {
      scratch: (SCRATCH + 256) as LinearAddr,
      mapFrame: (_index, gfn) => (gfn * 4096) as LinearAddr,
    });
    const page = new GuestRingPage(this.guest, STORE_PAGE as LinearAddr);
    this.client = new XenStoreClient({ page, notify: this.#bindStore() });
  }

  /** What a suspend and a resume do to a guest: the store and the backends know nothing of it any more. */
  resumeElsewhere(): void {
    this.channels.close(this.#storePort);
    this.#connectStore();
    this.client.resume(this.#bindStore());
  }

  /** Pages for the guest's drivers. */
  readonly pages = {
    alloc: (): { va: LinearAddr; gfn: number } | null => {
      const gfn = this.#free.pop();
      if (gfn === undefined) return null;
      this.#pages.add(gfn);
      this.frames.u8.fill(0xee, gfn * 4096, (gfn + 1) * 4096);
      return { va: (gfn * 4096) as LinearAddr, gfn };
    },
    free: ({ gfn }: { gfn: number }): void => {
      if (!this.#pages.delete(gfn)) throw new Error(`page ${gfn} is freed twice`);
      this.#free.push(gfn);
    },
  };

  /** Takes pages away from the guest's allocator until `left` are there. */
  starve(left: number): void {
    this.#free.splice(0, Math.max(0, this.#free.length - left));
  }

  /** Lets both sides run until nothing happens any more. */
  settle(): void {
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const job = this.#jobs.shift();
      if (job !== undefined) job();
      else if (this.events.upcall(0) === 0) return;
    }
    throw new Error('the two sides do not come to rest');
  }

  /** Runs the host side only. */
  settleHost(): void {
    for (let job = this.#jobs.shift(); job !== undefined; job = this.#jobs.shift()) job();
  }

  #storePort = 0;

  #connectStore(): void {
    this.#ring?.close();
    this.#storePort = this.channels.allocUnbound(0);
    const port = this.#storePort;
    this.frames.u8.fill(0, STORE_PAGE, STORE_PAGE + 4096);
    this.#ring = this.store.introduceDomain(domId(GUEST), {
      page: this.frames.u8.subarray(STORE_PAGE, STORE_PAGE + 4096),
      bind: (onEvent) => {
        const bound = this.#hostEvents.bind(this.#hostChannels, { domid: GUEST, port }, onEvent);
        if (typeof bound === 'number') throw new Error(`the store's port: ${bound}`);
        return { notify: () => void bound.notify(), close: () => bound.close() };
      },
    });
  }

  #bindStore(): () => void {
    const port = this.events.adopt(this.#storePort, () => this.client.onEvent());
    if (typeof port === 'number') throw new Error(`the store's port: ${port}`);
    return () => void port.notify();
  }

  #hypercall(nr: number, cmd: number, at: number): number {
    if (nr === __HYPERVISOR_event_channel_op) return this.#eventChannelOp(cmd, at);
    if (nr === __HYPERVISOR_grant_table_op) return this.#grantTableOp(cmd, at);
    return -XEN_ENOSYS;
  }

  #eventChannelOp(cmd: number, at: number): number {
    const { guest, channels } = this;
    const out = (offset: number, port: number): number => {
      if (port < 0) return port;
      guest.write32(at + offset, port);
      return 0;
    };
    switch (cmd) {
      case EVTCHNOP_alloc_unbound: {
        const own = guest.read16(at) === DOMID_SELF;
        return own ? out(4, channels.allocUnbound(guest.read16(at + 2))) : -XEN_ENOSYS;
      }
      case EVTCHNOP_bind_interdomain:
        return out(8, channels.bindInterdomain(guest.read16(at), guest.read32(at + 4)));
      case EVTCHNOP_close:
        return channels.close(guest.read32(at));
      case EVTCHNOP_send:
        return channels.send(guest.read32(at));
      case EVTCHNOP_unmask:
        return channels.unmask(guest.read32(at));
      default:
        return -XEN_ENOSYS;
    }
  }

  #grantTableOp(cmd: number, at: number): number {
    const { guest } = this;
    const table = this.#grantTable;
    if (cmd === GNTTABOP_query_size) {
      guest.write32(at + 8, table.maxFrames);
      guest.write16(at + 12, GNTST_okay);
      return 0;
    }
    if (cmd !== GNTTABOP_setup_table) return -XEN_ENOSYS;
    const nrFrames = guest.read32(at + 4);
    const list = guest.read32(at + 12);
    guest.write16(at + 8, table.grow(nrFrames));
    for (let i = 0; i < nrFrames; i++) guest.write32(list + 4 * i, table.sharedFrame(i));
    return 0;
  }
}
