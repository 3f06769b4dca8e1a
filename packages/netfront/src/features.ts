import type { Offloads } from '@domu/netstack';
import type { Nodes } from '@domu/xenstore/client';

/** The backend's nodes that a connection is chosen by. */
export const OFFER_NODES: readonly string[] = [
  'feature-rx-copy',
  'feature-sg',
  'feature-gso-tcpv4',
  'feature-gso-tcpv6',
  'feature-ipv6-csum-offload',
  'feature-split-event-channels',
  'multi-queue-max-queues',
];

/** What the backend takes, and how it is served. */
export interface BackendFeatures {
  readonly offloads: Offloads;
  /** Takes TCP and UDP over IPv6 with a blank checksum. */
  readonly ipv6Checksum: boolean;
  /** Takes frames in several slots. */
  readonly scatterGather: boolean;
  /** A channel for each direction. */
  readonly splitChannels: boolean;
  readonly nrQueues: number;
}

/** @returns what can be had of the backend, or why it cannot be used */
export function chooseFeatures(offers: Nodes, wantedQueues: number): BackendFeatures | string {
  const flag = (node: string): boolean => Number(offers.get(node) ?? '0') !== 0;
  if (!flag('feature-rx-copy')) return 'the backend does not copy into pages';
  const scatterGather = flag('feature-sg');
  const ipv6Checksum = flag('feature-ipv6-csum-offload');
  const maxQueues = Number(offers.get('multi-queue-max-queues') ?? '1');
  return {
    offloads: {
      checksum: true,
      tcpv4: scatterGather && flag('feature-gso-tcpv4'),
      tcpv6: scatterGather && ipv6Checksum && flag('feature-gso-tcpv6'),
    },
    ipv6Checksum,
    scatterGather,
    splitChannels: flag('feature-split-event-channels'),
    nrQueues: Number.isInteger(maxQueues) && maxQueues > 0 ? Math.min(maxQueues, wantedQueues) : 1,
  };
}

/** @returns the nodes that tell what this frontend takes */
export function ownFeatures({ checksum, tcpv4, tcpv6 }: Offloads): Record<string, string | null> {
  const flag = (on: boolean): string | null => (on ? '1' : null);
  return {
    'request-rx-copy': '1',
    'feature-rx-notify': '1',
    'feature-sg': '1',
    'feature-no-csum-offload': flag(!checksum),
    'feature-ipv6-csum-offload': flag(checksum && tcpv6),
    'feature-gso-tcpv4': flag(checksum && tcpv4),
    'feature-gso-tcpv6': flag(checksum && tcpv6),
  };
}
