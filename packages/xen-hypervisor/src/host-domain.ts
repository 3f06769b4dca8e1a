import { EventChannels, HostEvents, type HostPort } from '@domu/event-channel/hypervisor';
import { type GrantTable, HostGrants } from '@domu/grant-table/hypervisor';
import type { Machine } from './machine.ts';
import { createGrantTable } from './wiring.ts';

/**
 * Domain 0 without a guest: what backends and daemons may do. Handlers of its ports run between guest instructions,
 * never inside a guest's hypercall.
 */
export class HostDomain {
  readonly id: number = 0;
  readonly channels: EventChannels;
  readonly grantTable: GrantTable;
  /** Frames that other domains granted to domain 0: `map`, `copyFrom`, `copyTo`. */
  readonly grants: HostGrants;
  readonly #events: HostEvents;

  constructor(machine: Machine) {
    this.#events = new HostEvents(() => machine.defer(() => this.#dispatch(machine)));
    this.channels = new EventChannels({
      domid: 0,
      nrVcpus: 1,
      maxPort: this.#events.nrPorts - 1,
      delivery: this.#events,
      peers: (domid) => machine.channelsOf(domid),
    });
    this.grantTable = createGrantTable(machine, 0, 1);
    this.grants = new HostGrants(this.grantTable);
  }

  /**
   * Binds to a port that a domain left unbound for domain 0. `handler` runs once soon, and after each event.
   * @returns the port's handle, or -errno as EVTCHNOP_bind_interdomain gives it
   */
  bindInterdomain(remoteDomid: number, remotePort: number, handler: () => void): HostPort | number {
    return this.#events.bind(this.channels, { domid: remoteDomid, port: remotePort }, handler);
  }

  /** An event that a handler raised on another host port waits for the next round. */
  #dispatch(machine: Machine): void {
    this.#events.dispatch();
    if (this.#events.hasPending) machine.defer(() => this.#dispatch(machine));
  }
}
