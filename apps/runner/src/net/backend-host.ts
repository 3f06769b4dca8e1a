import type { HostPort, NetBackHost } from '@domu/backends';
import type { Machine } from '@domu/xen-hypervisor';

/**
 * What backends ask of the hypervisor.
 * @param wake called when a backend has raised an event: outside of a slice nobody else would look at the machine
 */
export function createBackendHost(machine: Pick<Machine, 'host' | 'defer'>, wake: () => void): NetBackHost {
  const { host } = machine;
  return {
    defer: (job) => machine.defer(job),
    bindInterdomain(remoteDomid, remotePort, handler): HostPort | number {
      const bound = host.bindInterdomain(remoteDomid, remotePort, handler);
      if (typeof bound === 'number') return bound;
      return {
        notify: () => {
          bound.notify();
          wake();
        },
        close: () => bound.close(),
      };
    },
    mapGrant: (remoteDomid, gref, options) => host.grants.map(remoteDomid, gref, options),
    copyFromGrant: (domid, ref, offset, into) => host.grants.copyFrom({ domid, ref, offset }, into),
    copyToGrant: (domid, ref, from) => host.grants.copyTo({ domid, ref, offset: 0 }, from),
    transferPage: (domid, ref, from) => host.grants.transfer(domid, ref, from),
  };
}
