import { type DomId, gref, port } from '@domu/xen-abi';
import type { BackendHost, GrantMapping, HostPort } from '../host.ts';
import type { FrontendChoice, RingAnnouncement } from './features.ts';
import { BlkRing } from './ring-io.ts';

/** One ring with what holds it. */
export interface ConnectedRing {
  readonly ring: BlkRing;
  readonly port: HostPort;
  readonly pages: readonly GrantMapping[];
}

/**
 * Maps the frontend's rings and binds their event channels.
 * @param onEvent called at the events of each ring, and once soon
 * @returns why not, when that fails; nothing is held then
 */
export function connectRings(
  host: BackendHost,
  domid: DomId,
  { rings }: FrontendChoice,
  onEvent: (ring: ConnectedRing) => void,
): ConnectedRing[] | string {
  const connected: ConnectedRing[] = [];
  for (const announced of rings) {
    const ring = connectRing(host, domid, announced, onEvent);
    if (typeof ring === 'string') {
      for (const other of connected) releaseRing(other);
      return ring;
    }
    connected.push(ring);
  }
  return connected;
}

/** Lets go of a ring. */
export function releaseRing({ port: bound, pages }: ConnectedRing): void {
  bound.close();
  for (const page of pages) page.release();
}

function connectRing(
  host: BackendHost,
  domid: DomId,
  { grefs, port: remotePort }: RingAnnouncement,
  onEvent: (ring: ConnectedRing) => void,
): ConnectedRing | string {
  const pages: GrantMapping[] = [];
  const failed = (reason: string): string => {
    for (const page of pages) page.release();
    return reason;
  };
  for (const ref of grefs) {
    const page = host.mapGrant(domid, gref(ref), { readonly: false });
    if (typeof page === 'number') return failed(`mapping ring-ref ${ref}: ${page}`);
    pages.push(page);
  }
  const bound = host.bindInterdomain(domid, port(remotePort), () => onEvent(ring));
  if (typeof bound === 'number') return failed(`binding event-channel ${remotePort}: ${bound}`);
  const ring: ConnectedRing = { ring: new BlkRing(pages.map(({ bytes }) => bytes)), port: bound, pages };
  return ring;
}
