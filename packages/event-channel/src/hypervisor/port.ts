import type { EventChannels } from './event-channels.ts';

/**
 * What a port is bound to. `reserved` is port 0 for ever.
 * Source: xen/include/xen/sched.h, "struct evtchn" @ RELEASE-4.18.0
 */
export type PortState =
  | { readonly kind: 'free' }
  | { readonly kind: 'reserved' }
  | { readonly kind: 'unbound'; readonly remoteDomid: number }
  | { readonly kind: 'interdomain'; readonly remote: EventChannels; readonly remotePort: number }
  | { readonly kind: 'virq'; readonly virq: number }
  | { readonly kind: 'ipi' };

/** One port of a domain's table. */
export interface Port {
  state: PortState;
  /** The vcpu that sees the port's events; 0 for a free port. */
  notifyVcpu: number;
}

/** The answer to EVTCHNOP_status, in the argument's own terms. */
export interface PortStatus {
  /** EVTCHNSTAT_* */
  readonly status: number;
  readonly vcpu: number;
  /** The first word of the union: peer's domid (unbound, interdomain) or virq. */
  readonly u0: number;
  /** The second word of the union: the peer's port when interdomain. */
  readonly u1: number;
}
