import type { Offloads } from '@domu/netstack';

/** What the frontend chose. */
export interface Negotiated {
  readonly offloads: Offloads;
  /** Takes TCP and UDP over IPv6 with a blank checksum. */
  readonly ipv6Checksum: boolean;
  /** Takes frames in several slots. */
  readonly scatterGather: boolean;
  /** Pages are copied into; else they are exchanged for others (older frontends). */
  readonly rxCopy: boolean;
  /** Says when it has offered pages again. */
  readonly rxNotify: boolean;
  readonly queues: readonly QueueNodes[];
}

/** Where the rings of one queue are. */
export interface QueueNodes {
  readonly txRef: number;
  readonly rxRef: number;
  readonly txPort: number;
  /** The same as `txPort` when both directions share an event channel. */
  readonly rxPort: number;
}

/** Most queues that are offered. Source: Linux offers one for each processor of the host; guests here have few */
const MAX_QUEUES = 8;

/** What is published before the frontend chooses. Multicast filtering and the control ring are not offered. */
export const FEATURES: Readonly<Record<string, string>> = {
  'feature-sg': '1',
  'feature-gso-tcpv4': '1',
  'feature-gso-tcpv6': '1',
  'feature-ipv6-csum-offload': '1',
  'feature-rx-copy': '1',
  'feature-rx-flip': '1',
  'feature-split-event-channels': '1',
  'multi-queue-max-queues': `${MAX_QUEUES}`,
};

/**
 * Reads the frontend's choice.
 * @param frontend reads a node of the frontend's directory; null when it is not there
 * @returns what it chose, or what is wrong with it
 * Source: xen/include/public/io/netif.h; Linux drivers/net/xen-netback/xenbus.c, read_xenbus_vif_flags (behaviour)
 */
export function negotiate(frontend: (node: string) => string | null): Negotiated | string {
  const flag = (node: string): boolean => Number(frontend(node) ?? '0') !== 0;
  const nrQueues = numberOf(frontend('multi-queue-num-queues') ?? '1');
  if (nrQueues === null || nrQueues < 1) return 'multi-queue-num-queues is not a number above 0';
  if (nrQueues > MAX_QUEUES)
    return `guest requested ${nrQueues} queues, exceeding the maximum of ${MAX_QUEUES}`;
  const queues: QueueNodes[] = [];
  for (let i = 0; i < nrQueues; i++) {
    const prefix = nrQueues === 1 ? '' : `queue-${i}/`;
    const nodes = queueNodes((node) => numberOf(frontend(prefix + node) ?? ''));
    if (nodes === null) return `reading ${prefix}tx-ring-ref, rx-ring-ref and event-channel`;
    queues.push(nodes);
  }
  const scatterGather = flag('feature-sg');
  const checksum = !flag('feature-no-csum-offload');
  // A frame to be cut later is larger than a page: it cannot do without several slots and a blank checksum.
  const gso = scatterGather && checksum;
  const ipv6Checksum = flag('feature-ipv6-csum-offload');
  return {
    offloads: {
      checksum,
      tcpv4: gso && flag('feature-gso-tcpv4'),
      tcpv6: gso && ipv6Checksum && flag('feature-gso-tcpv6'),
    },
    ipv6Checksum,
    scatterGather,
    rxCopy: flag('request-rx-copy'),
    rxNotify: flag('feature-rx-notify'),
    queues,
  };
}

function queueNodes(number: (node: string) => number | null): QueueNodes | null {
  const [txRef, rxRef, shared] = [number('tx-ring-ref'), number('rx-ring-ref'), number('event-channel')];
  const txPort = number('event-channel-tx') ?? shared;
  const rxPort = number('event-channel-rx') ?? shared;
  if (txRef === null || rxRef === null || txPort === null || rxPort === null) return null;
  return { txRef, rxRef, txPort, rxPort };
}

function numberOf(text: string): number | null {
  return /^[0-9]{1,10}$/.test(text) ? Number(text) : null;
}
