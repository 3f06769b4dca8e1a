import { EventChannels } from '@domu/event-channel/hypervisor';
import { GrantTable } from '@domu/grant-table/hypervisor';
import type { Domain } from './domain.ts';

/**
 * Gives a new domain its event channels. What the hypervisor core uses of them: `raiseVirq(vcpuId, virq)` and
 * `destroy()`; the hypercall family and `host-domain.ts` use the rest.
 */
export function createEventChannels(domain: Domain): EventChannels {
  throw new Error(`event channels of domain ${domain.id}: to be bound`);
}

/** Gives a new domain its grant table. What the core uses of it: `destroy()`. */
export function createGrantTable(domain: Domain): GrantTable {
  throw new Error(`grant table of domain ${domain.id}: to be bound`);
}
