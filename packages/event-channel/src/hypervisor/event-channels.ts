import {
  EVTCHNSTAT_closed,
  EVTCHNSTAT_interdomain,
  EVTCHNSTAT_ipi,
  EVTCHNSTAT_unbound,
  EVTCHNSTAT_virq,
  NR_VIRQS,
  XEN_EEXIST,
  XEN_EINVAL,
  XEN_ENOENT,
  XEN_ENOSPC,
  XEN_ESRCH,
} from '@domu/xen-abi';
import type { PortDelivery } from './delivery.ts';
import type { Port, PortStatus } from './port.ts';
import { virqIsGlobal } from './virq.ts';

/** What a domain's table needs to know of the world. */
export interface EventChannelsOptions {
  readonly domid: number;
  /** Number of vcpus the domain has; vcpu numbers are below it. */
  readonly nrVcpus: number;
  /** Highest port number handed out (xl's `max_event_channels`). The delivery's own limit applies as well. */
  readonly maxPort: number;
  readonly delivery: PortDelivery;
  /** @returns the table of a living domain, or undefined */
  readonly peers: (domid: number) => EventChannels | undefined;
}

const PORTS_PER_BUCKET = 64;

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
  private readonly delivery: PortDelivery;
  private readonly peers: (domid: number) => EventChannels | undefined;
  private readonly ports: Port[] = [];
  /** [vcpu][virq] = port, 0 for none. */
  private readonly virqToPort: Uint32Array[];
  private dying = false;

  constructor(options: EventChannelsOptions) {
    this.domid = options.domid;
    this.maxPort = options.maxPort;
    this.nrVcpus = options.nrVcpus;
    this.delivery = options.delivery;
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
    if (port >= 0) this.ports[port].state = { kind: 'unbound', remoteDomid };
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
    this.ports[port].state = { kind: 'interdomain', remote, remotePort };
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
    this.ports[port].state = { kind: 'virq', virq };
    this.ports[port].notifyVcpu = vcpu;
    this.virqToPort[vcpu][virq] = port;
    return port;
  }

  /** EVTCHNOP_bind_ipi. @returns the port; -ENOENT bad vcpu, -ENOSPC */
  bindIpi(vcpu: number): number {
    if (vcpu >= this.nrVcpus) return -XEN_ENOENT;
    const port = this.freePort();
    if (port < 0) return port;
    this.ports[port].state = { kind: 'ipi' };
    this.ports[port].notifyVcpu = vcpu;
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

  /** EVTCHNOP_unmask. Any port within the table will do, a free one too. @returns 0 or -EINVAL */
  unmask(port: number): number {
    const chn = this.portAt(port);
    if (chn === undefined) return -XEN_EINVAL;
    this.delivery.unmask(port, chn.notifyVcpu);
    return 0;
  }

  /** EVTCHNOP_reset: closes every port. @returns 0 */
  reset(): number {
    for (let port = 1; port < this.ports.length; port++) this.close(port);
    return 0;
  }

  /** Raises a virq of one vcpu, or of the domain; does nothing while no port is bound to it. */
  raiseVirq(virq: number, vcpu = 0): void {
    const port = this.virqToPort[virqIsGlobal(virq) ? 0 : vcpu][virq];
    if (port !== 0) this.raise(port);
  }

  /** What SCHEDOP_poll asks of a port. @returns whether it is pending, masked or not; null for a port beyond the table */
  isPending(port: number): boolean | null {
    return this.portAt(port) === undefined ? null : this.delivery.isPending(port);
  }

  /** The domain goes away: all its ports close, and it gets no new ones. */
  destroy(): void {
    this.dying = true;
    this.reset();
  }

  /** Throws when the table contradicts itself: a bug of ours, whatever the guest did. For tests. */
  checkInvariants(): void {
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
    for (let port = 1; port < limit; port++) {
      if (port >= this.ports.length) this.growTo(port);
      if (this.ports[port].state.kind === 'free') return port;
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
