import {
  EVTCHNSTAT_closed,
  EVTCHNSTAT_interdomain,
  EVTCHNSTAT_ipi,
  EVTCHNSTAT_unbound,
  EVTCHNSTAT_virq,
  EvtchnFifoControlBlock,
  NR_VIRQS,
  XEN_EACCES,
  XEN_EAGAIN,
  XEN_EBUSY,
  XEN_EEXIST,
  XEN_EINVAL,
  XEN_ENOENT,
  XEN_ENOSPC,
  XEN_ENOSYS,
  XEN_EOPNOTSUPP,
  XEN_ESRCH,
} from '@domu/xen-abi';
import type { PortDelivery } from './delivery.ts';
import { FifoDelivery, type FifoHost } from './fifo.ts';
import type { Port, PortState, PortStatus } from './port.ts';
import { virqIsGlobal } from './virq.ts';

/** What a domain's table needs to know of the world. */
export interface EventChannelsOptions {
  readonly domid: number;
  /** Number of vcpus the domain has; vcpu numbers are below it. */
  readonly nrVcpus: number;
  /** Highest port number handed out (xl's `max_event_channels`). The delivery's own limit applies as well. */
  readonly maxPort: number;
  /** How events are delivered until the domain asks for FIFO queues, and again after a reset. */
  readonly delivery: PortDelivery;
  /** Absent: the domain cannot have FIFO queues. */
  readonly fifo?: FifoHost;
  /** @returns the table of a living domain, or undefined */
  readonly peers: (domid: number) => EventChannels | undefined;
}

const PORTS_PER_BUCKET = 64;
const PAGE_BYTES = 4096;
const CONTROL_BLOCK_ALIGNMENT = 8;
/** How many ports a reset closes between two looks at its budget. Source: evtchn_reset */
const RESET_STRIDE = 64;

/**
 * A domain's event channel ports. Results are ports (>= 0) or -errno; nothing throws on a guest's arguments.
 *
 * Invariants: port 0 is reserved and never used · the two ends of an interdomain channel name each other · a virq is in the
 * vcpu's virq table exactly when a port of kind 'virq' says so · the lowest free port is handed out.
 * Source: xen/common/event_channel.c @ RELEASE-4.18.0
 */
export class EventChannels {
  readonly domid: number;
  readonly maxPort: number;
  private readonly nrVcpus: number;
  private readonly firstDelivery: PortDelivery;
  private readonly fifoHost: FifoHost | undefined;
  private readonly peers: (domid: number) => EventChannels | undefined;
  private readonly ports: Port[] = [];
  /** [vcpu][virq] = port, 0 for none. */
  private readonly virqToPort: Uint32Array[];
  private delivery: PortDelivery;
  /** The delivery in use while it is of FIFO queues. */
  private fifo: FifoDelivery | null = null;
  /** No port below is free: where the search for one starts. */
  private searchFrom = 1;
  private active = 0;
  /** The port at which an unfinished reset goes on, 0: none under way. */
  private nextToReset = 0;
  private dying = false;

  constructor(options: EventChannelsOptions) {
    this.domid = options.domid;
    this.maxPort = options.maxPort;
    this.nrVcpus = options.nrVcpus;
    this.delivery = options.delivery;
    this.firstDelivery = options.delivery;
    this.fifoHost = options.fifo;
    this.peers = options.peers;
    this.virqToPort = Array.from({ length: options.nrVcpus }, () => new Uint32Array(NR_VIRQS));
    this.growTo(0);
    this.ports[0].state = { kind: 'reserved' };
  }

  /**
   * EVTCHNOP_alloc_unbound on this domain: a port that `remoteDomid` may bind to.
   * @returns the port; -ENOSPC when the table is full, -EINVAL when the domain is dying
   */
  allocUnbound(remoteDomid: number): number {
    const port = this.freePort();
    if (port >= 0) this.bind(port, { kind: 'unbound', remoteDomid });
    return port;
  }

  /**
   * EVTCHNOP_bind_interdomain. The local port is pending at once, since sends before the binding were dropped.
   * @returns the local port; -ESRCH no such domain, -ENOSPC, -EINVAL when the remote port is not unbound for this domain
   */
  bindInterdomain(remoteDomid: number, remotePort: number): number {
    const remote = this.peers(remoteDomid);
    if (remote === undefined) return -XEN_ESRCH;
    const port = this.freePort();
    if (port < 0) return port;
    const peer = remote.portAt(remotePort);
    if (peer?.state.kind !== 'unbound' || peer.state.remoteDomid !== this.domid) return -XEN_EINVAL;
    this.bind(port, { kind: 'interdomain', remote, remotePort });
    peer.state = { kind: 'interdomain', remote: this, remotePort: port };
    this.raise(port);
    return port;
  }

  /** EVTCHNOP_bind_virq. @returns the port; -EINVAL bad virq or a global one off vcpu 0, -ENOENT bad vcpu, -EEXIST, -ENOSPC */
  bindVirq(virq: number, vcpu: number): number {
    if (virq >= NR_VIRQS) return -XEN_EINVAL;
    if (virqIsGlobal(virq) && vcpu !== 0) return -XEN_EINVAL;
    if (vcpu >= this.nrVcpus) return -XEN_ENOENT;
    if (this.virqToPort[vcpu][virq] !== 0) return -XEN_EEXIST;
    const port = this.freePort();
    if (port < 0) return port;
    this.bind(port, { kind: 'virq', virq }, vcpu);
    this.virqToPort[vcpu][virq] = port;
    return port;
  }

  /** EVTCHNOP_bind_ipi. @returns the port; -ENOENT bad vcpu, -ENOSPC */
  bindIpi(vcpu: number): number {
    if (vcpu >= this.nrVcpus) return -XEN_ENOENT;
    const port = this.freePort();
    if (port < 0) return port;
    this.bind(port, { kind: 'ipi' }, vcpu);
    return port;
  }

  /** EVTCHNOP_close: frees the port, forgets its pending event, and leaves a peer unbound for this domain. @returns 0 or -EINVAL */
  close(port: number): number {
    const chn = this.portAt(port);
    if (chn === undefined) return -XEN_EINVAL;
    const { state } = chn;
    if (state.kind === 'free' || state.kind === 'reserved') return -XEN_EINVAL;
    if (state.kind === 'virq') this.virqToPort[virqIsGlobal(state.virq) ? 0 : chn.notifyVcpu][state.virq] = 0;
    if (state.kind === 'interdomain') {
      state.remote.ports[state.remotePort].state = { kind: 'unbound', remoteDomid: this.domid };
    }
    this.delivery.clearPending(port);
    chn.state = { kind: 'free' };
    chn.notifyVcpu = 0;
    this.active--;
    this.searchFrom = Math.min(this.searchFrom, port);
    return 0;
  }

  /** EVTCHNOP_send. An unbound port drops the event and returns 0. @returns 0; -EINVAL for a free, virq or unknown port */
  send(port: number): number {
    const state = this.portAt(port)?.state;
    switch (state?.kind) {
      case 'interdomain':
        state.remote.raise(state.remotePort);
        return 0;
      case 'ipi':
        this.raise(port);
        return 0;
      case 'unbound':
        return 0;
      default:
        return -XEN_EINVAL;
    }
  }

  /** EVTCHNOP_status on this domain. @returns null for a port beyond the table (-EINVAL) */
  status(port: number): PortStatus | null {
    const chn = this.portAt(port);
    if (chn === undefined) return null;
    const { state, notifyVcpu: vcpu } = chn;
    switch (state.kind) {
      case 'unbound':
        return { status: EVTCHNSTAT_unbound, vcpu, u0: state.remoteDomid, u1: 0 };
      case 'interdomain':
        return { status: EVTCHNSTAT_interdomain, vcpu, u0: state.remote.domid, u1: state.remotePort };
      case 'virq':
        return { status: EVTCHNSTAT_virq, vcpu, u0: state.virq, u1: 0 };
      case 'ipi':
        return { status: EVTCHNSTAT_ipi, vcpu, u0: 0, u1: 0 };
      default:
        return { status: EVTCHNSTAT_closed, vcpu, u0: 0, u1: 0 };
    }
  }

  /** EVTCHNOP_bind_vcpu. @returns 0; -ENOENT bad vcpu, -EINVAL for a port that is tied to its vcpu, or not bound */
  bindVcpu(port: number, vcpu: number): number {
    if (vcpu >= this.nrVcpus) return -XEN_ENOENT;
    const chn = this.portAt(port);
    if (chn === undefined) return -XEN_EINVAL;
    const { state } = chn;
    const movable =
      state.kind === 'unbound' ||
      state.kind === 'interdomain' ||
      (state.kind === 'virq' && virqIsGlobal(state.virq));
    if (!movable) return -XEN_EINVAL;
    chn.notifyVcpu = vcpu;
    return 0;
  }

  /** EVTCHNOP_unmask. A free port within the table is left alone, and is no error. @returns 0 or -EINVAL */
  unmask(port: number): number {
    const chn = this.portAt(port);
    if (chn === undefined) return -XEN_EINVAL;
    if (isBound(chn)) this.delivery.unmask(port, chn.notifyVcpu);
    return 0;
  }

  /** EVTCHNOP_set_priority. @returns 0; -EINVAL no such port or priority, -ENOSYS without FIFO queues, -EACCES a free port */
  setPriority(port: number, priority: number): number {
    const chn = this.portAt(port);
    if (chn === undefined) return -XEN_EINVAL;
    if (this.fifo === null) return -XEN_ENOSYS;
    return isBound(chn) ? this.fifo.setPriority(port, priority) : -XEN_EACCES;
  }

  /**
   * EVTCHNOP_init_control: gives a vcpu its FIFO control block. The first one switches the domain over to FIFO queues; events
   * that are pending then are raised again as soon as their words exist.
   * @param place frame by the domain's own number, and byte offset in it
   * @returns 0; -ENOENT no such vcpu, -EINVAL a place that will not do, or the vcpu has a block already, -ENOSYS
   * Source: xen/common/event_fifo.c, "evtchn_fifo_init_control" @ RELEASE-4.18.0
   */
  initControl(vcpu: number, place: { readonly gfn: number; readonly offset: number }): number {
    if (vcpu >= this.nrVcpus) return -XEN_ENOENT;
    if (place.offset > PAGE_BYTES - EvtchnFifoControlBlock.size) return -XEN_EINVAL;
    if (place.offset % CONTROL_BLOCK_ALIGNMENT !== 0) return -XEN_EINVAL;
    if (this.fifo !== null) return this.fifo.mapControlBlock(vcpu, place);
    if (this.fifoHost === undefined) return -XEN_ENOSYS;
    const fifo = new FifoDelivery(this.fifoHost, { nrVcpus: this.nrVcpus, nrPorts: this.maxPort + 1 });
    const rc = fifo.mapControlBlock(vcpu, place);
    if (rc < 0) return rc;
    for (const [port, chn] of this.ports.entries())
      if (isBound(chn) && this.delivery.isPending(port)) fifo.save(port);
    this.fifo = fifo;
    this.delivery = fifo;
    return 0;
  }

  /** EVTCHNOP_expand_array: adds a page of event words. @returns 0; -EOPNOTSUPP without FIFO queues, -ENOSPC, -EINVAL */
  expandArray(gfn: number): number {
    const { fifo } = this;
    if (fifo === null) return -XEN_EOPNOTSUPP;
    const first = fifo.nrWords;
    const rc = fifo.addPage(gfn);
    if (rc < 0) return rc;
    const end = Math.min(this.ports.length, fifo.nrWords);
    for (let port = first; port < end; port++) if (fifo.takeSaved(port)) this.raise(port);
    return 0;
  }

  /**
   * EVTCHNOP_reset: closes every port, and goes back to the first event ABI. It may take several calls: the first with
   * `resuming` false, further ones with true.
   * @param mayGoOn asked between ports; false makes the call end early
   * @returns 0 done; 1 to be continued; -EBUSY a reset is under way (by another vcpu)
   * Source: xen/common/event_channel.c, "evtchn_reset" @ RELEASE-4.18.0
   */
  reset(resuming = false, mayGoOn: (ports: number) => boolean = () => true): number {
    if (!resuming && this.nextToReset !== 0) return -XEN_EBUSY;
    let port = resuming ? this.nextToReset : 1;
    if (port === 0) return -XEN_EBUSY;
    for (; port < this.ports.length && this.active > 0; port++) {
      this.close(port);
      if (port % RESET_STRIDE !== 0 || mayGoOn(RESET_STRIDE)) continue;
      this.nextToReset = port;
      return 1;
    }
    this.nextToReset = 0;
    // Another vcpu of a domain may have bound ports behind the reset's back.
    if (this.active > 0) return -XEN_EAGAIN;
    this.fifo?.destroy();
    this.fifo = null;
    this.delivery = this.firstDelivery;
    return 0;
  }

  /** Raises a virq of one vcpu, or of the domain; does nothing while no port is bound to it. */
  raiseVirq(virq: number, vcpu = 0): void {
    const port = this.virqToPort[virqIsGlobal(virq) ? 0 : vcpu][virq];
    if (port !== 0) this.raise(port);
  }

  /** What SCHEDOP_poll asks of a port. @returns whether it is pending, masked or not; null for a port that is not bound */
  isPending(port: number): boolean | null {
    const chn = this.portAt(port);
    return chn !== undefined && isBound(chn) ? this.delivery.isPending(port) : null;
  }

  /** Number of ports that are bound to anything. */
  get nrActive(): number {
    return this.active;
  }

  /** Whether the domain uses FIFO queues. */
  get usesFifo(): boolean {
    return this.fifo !== null;
  }

  /** The domain goes away: all its ports close, and it gets no new ones. */
  destroy(): void {
    this.dying = true;
    this.nextToReset = 0;
    this.reset();
  }

  /** Frames of the domain that Xen writes events to, one entry for each hold. For tests. */
  heldFrames(): readonly number[] {
    return this.fifo?.heldFrames() ?? [];
  }

  /** Throws when the table contradicts itself: a bug of ours, whatever the guest did. For tests. */
  checkInvariants(): void {
    this.fifo?.checkInvariants();
    if (this.active !== this.ports.filter(isBound).length)
      throw new Error(`d${this.domid}: ${this.active} ports?`);
    for (const [port, chn] of this.ports.entries()) {
      const where = `d${this.domid} port ${port} (${chn.state.kind})`;
      if ((port === 0) !== (chn.state.kind === 'reserved'))
        throw new Error(`${where}: reserved is port 0, and only it`);
      if (chn.notifyVcpu >= this.nrVcpus && chn.notifyVcpu !== 0) throw new Error(`${where}: no such vcpu`);
      if (chn.state.kind === 'free' && chn.notifyVcpu !== 0)
        throw new Error(`${where}: free, but tied to a vcpu`);
      if (chn.state.kind === 'interdomain') {
        const back = chn.state.remote.ports[chn.state.remotePort]?.state;
        const mutual = back?.kind === 'interdomain' && back.remote === this && back.remotePort === port;
        if (!mutual) throw new Error(`${where}: the peer does not name this port`);
      }
      if (chn.state.kind === 'virq') {
        const vcpu = virqIsGlobal(chn.state.virq) ? 0 : chn.notifyVcpu;
        if (this.virqToPort[vcpu][chn.state.virq] !== port)
          throw new Error(`${where}: not in the virq table`);
      }
    }
    for (const [vcpu, virqs] of this.virqToPort.entries()) {
      for (const [virq, port] of virqs.entries()) {
        const bound = port === 0 || this.ports[port]?.state.kind === 'virq';
        if (!bound)
          throw new Error(`d${this.domid} vcpu ${vcpu} virq ${virq}: port ${port} is not bound to it`);
      }
    }
  }

  private bind(port: number, state: PortState, vcpu = 0): void {
    const chn = this.ports[port];
    chn.state = state;
    chn.notifyVcpu = vcpu;
    this.active++;
    this.delivery.bound(port);
  }

  private raise(port: number): void {
    this.delivery.setPending(port, this.ports[port].notifyVcpu);
  }

  private portAt(port: number): Port | undefined {
    return this.ports[port];
  }

  /** @returns the lowest free port, which stays free until the caller binds it, or -errno */
  private freePort(): number {
    if (this.dying) return -XEN_EINVAL;
    const limit = Math.min(this.maxPort + 1, this.delivery.nrPorts);
    while (this.ports[this.searchFrom] && this.ports[this.searchFrom].state.kind !== 'free')
      this.searchFrom++;
    for (let port = this.searchFrom; port < limit; port++) {
      if (port >= this.ports.length) this.growTo(port);
      if (this.ports[port].state.kind === 'free' && !this.delivery.isBusy(port)) return port;
    }
    return -XEN_ENOSPC;
  }

  /** The table grows by whole buckets, and a guest can see it: a port of an existing bucket is closed, one beyond is -EINVAL. */
  private growTo(port: number): void {
    while (port >= this.ports.length) {
      for (let i = 0; i < PORTS_PER_BUCKET; i++) this.ports.push({ state: { kind: 'free' }, notifyVcpu: 0 });
    }
  }
}

function isBound({ state }: Port): boolean {
  return state.kind !== 'free' && state.kind !== 'reserved';
}
