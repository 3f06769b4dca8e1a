import { EventChannels, HostEvents, type HostPort } from '@domu/event-channel/hypervisor';
import type { Machine } from './machine.ts';

/** What backends and daemons may do: they act as domain 0, without a guest of their own. */
export class HostDomain {
  readonly machine: Machine;
  readonly id: number = 0;
  readonly channels: EventChannels;
  readonly #events: HostEvents;

  constructor(machine: Machine) {
    this.machine = machine;
    this.#events = new HostEvents(() => machine.defer(() => this.#events.dispatch()));
    this.channels = new EventChannels({
      domid: 0,
      nrVcpus: 1,
      maxPort: this.#events.nrPorts - 1,
      delivery: this.#events,
      peers: (domid) => machine.channelsOf(domid),
    });
  }

  /** Binds to a port that a domain left unbound for domain 0. @returns the port's handle, or -errno */
  bindInterdomain(remoteDomid: number, remotePort: number, handler: () => void): HostPort | number {
    return this.#events.bind(this.channels, { domid: remoteDomid, port: remotePort }, handler);
  }
}
