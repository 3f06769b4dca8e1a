import { NetBack, type NetBackHost, type NetBackMetrics } from '@domu/backends';
import { createVifNodes, type DevicePaths, removeDeviceNodes } from '@domu/toolstack';
import type { XenStore } from '@domu/xenstore/server';
import { type DeviceTracks, tracedNetwork } from '../trace/device-tracer.ts';
import type { Networks, VifPlan } from './networks.ts';

/** What the interfaces of a guest need. */
export interface GuestVifsParts {
  readonly host: NetBackHost;
  readonly store: XenStore;
  readonly networks: Networks;
  readonly domid: number;
  readonly traces: DeviceTracks;
}

interface Plugged {
  readonly netback: NetBack;
  readonly paths: DevicePaths;
}

/** The network interfaces of one running guest: those of its start and those that come and go later. */
export class GuestVifs {
  readonly #parts: GuestVifsParts;
  readonly #plugged: Map<number, Plugged> = new Map();

  constructor(parts: GuestVifsParts) {
    this.#parts = parts;
  }

  /** The interfaces that are plugged, and what their counters count. */
  *metrics(): Generator<{ readonly devid: number; readonly counts: Readonly<NetBackMetrics> }> {
    for (const [devid, { netback }] of this.#plugged) yield { devid, counts: netback.metrics };
  }

  /** The interface of this number, if it is plugged. */
  netback(devid: number): NetBack | undefined {
    return this.#plugged.get(devid)?.netback;
  }

  /** Plugs an interface in. @returns false when its number is in use */
  plug(plan: VifPlan): boolean {
    const { devid } = plan.vif;
    if (this.#plugged.has(devid)) return false;
    const { host, store, networks, domid, traces } = this.#parts;
    const paths = createVifNodes(store, domid, plan.vif);
    const network = tracedNetwork(networks.networkOf(plan), traces, `d${domid} vif${devid}`);
    this.#plugged.set(devid, { netback: new NetBack({ host, store, path: paths.backend, network }), paths });
    return true;
  }

  /**
   * Has the guest let go of an interface and removes it then. A guest that does not is not hurried.
   * @returns false when there is no such interface
   */
  unplug(devid: number): boolean {
    const plugged = this.#plugged.get(devid);
    plugged?.netback.unplug(() => this.#remove(devid, plugged));
    return plugged !== undefined;
  }

  /** Ends all of them, with their guest. */
  close(): void {
    for (const { netback } of this.#plugged.values()) netback.close();
    this.#plugged.clear();
  }

  #remove(devid: number, { netback, paths }: Plugged): void {
    if (!this.#plugged.delete(devid)) return;
    netback.close();
    removeDeviceNodes(this.#parts.store, paths);
  }
}
