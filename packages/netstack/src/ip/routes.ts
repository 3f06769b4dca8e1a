import type { NetInterface } from '../interface.ts';
import { type Ipv4Address, onSameNet } from '../wire/address.ts';

/** One way out. */
export interface Route {
  readonly destination: Ipv4Address;
  readonly prefixLength: number;
  /** 0: the destination is on the interface's own net. */
  readonly gateway: Ipv4Address;
  readonly netif: NetInterface;
  readonly metric: number;
}

const MAX_ROUTES = 256;

/** The routing table: longest prefix first, then the lowest metric, then the newest. */
export class Routes {
  readonly #routes: Route[] = [];

  /** @returns false if the table is full or has this very route */
  add(route: Route): boolean {
    if (this.#routes.length >= MAX_ROUTES || this.#routes.some((other) => isSame(other, route))) return false;
    const { prefixLength, metric } = route;
    const at = this.#routes.findIndex(
      (other) =>
        other.prefixLength < prefixLength || (other.prefixLength === prefixLength && other.metric >= metric),
    );
    this.#routes.splice(at === -1 ? this.#routes.length : at, 0, route);
    return true;
  }

  /** Takes out the first route that `matches`. @returns it, if there was one */
  remove(matches: (route: Route) => boolean): Route | undefined {
    const at = this.#routes.findIndex(matches);
    return at === -1 ? undefined : this.#routes.splice(at, 1)[0];
  }

  /** @param netif if given, only ways out of this interface count */
  lookup(destination: Ipv4Address, netif?: NetInterface): Route | undefined {
    return this.#routes.find(
      (route) =>
        route.netif.up &&
        (netif === undefined || route.netif === netif) &&
        onSameNet(route.destination, destination, route.prefixLength),
    );
  }

  [Symbol.iterator](): IterableIterator<Route> {
    return this.#routes.values();
  }
}

const isSame = (a: Route, b: Route): boolean =>
  a.destination === b.destination &&
  a.prefixLength === b.prefixLength &&
  a.gateway === b.gateway &&
  a.netif === b.netif &&
  a.metric === b.metric;
