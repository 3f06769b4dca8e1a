import { VIRQ_DEBUG, VIRQ_TIMER, VIRQ_XENOPROF, VIRQ_XENPMU } from '@domu/xen-abi';

/**
 * Whether a virq belongs to the domain as a whole (bound once, on vcpu 0) and not to each vcpu.
 * Source: xen/common/event_channel.c, "virq_is_global" @ RELEASE-4.18.0
 */
export function virqIsGlobal(virq: number): boolean {
  return virq !== VIRQ_TIMER && virq !== VIRQ_DEBUG && virq !== VIRQ_XENOPROF && virq !== VIRQ_XENPMU;
}
