import { writeSync } from 'node:fs';
import { capturedNetwork, NO_NETWORK, type PcapTime, PcapWriter, VirtualSwitch } from '@domu/backends';
import type { EthernetNetwork } from '@domu/netstack';
import type { PlannedVif } from '@domu/toolstack';

/** A network interface that is to be plugged in. */
export interface VifPlan {
  readonly vif: PlannedVif;
  /** Open file that everything it sends and gets is written to; null: nothing is. */
  readonly captureFd: number | null;
}

/** The networks of one machine: switches by name, and what interfaces have for themselves. */
export class Networks {
  readonly #now: () => PcapTime;
  readonly #switches: Map<string, VirtualSwitch> = new Map();
  readonly #opened: Map<VifPlan, EthernetNetwork> = new Map();

  /** @param now the machine's time, for captures */
  constructor(now: () => PcapTime) {
    this.#now = now;
  }

  /** @returns what the interface is plugged into; the same at every start of its guest */
  networkOf(plan: VifPlan): EthernetNetwork {
    const opened = this.#opened.get(plan);
    if (opened !== undefined) return opened;
    const network = this.#open(plan.vif);
    const { captureFd } = plan;
    const whole =
      captureFd === null
        ? network
        : capturedNetwork(
            network,
            new PcapWriter({ write: (bytes) => writeAll(captureFd, bytes), now: this.#now }),
          );
    this.#opened.set(plan, whole);
    return whole;
  }

  #open({ network }: PlannedVif): EthernetNetwork {
    switch (network.kind) {
      case 'switch':
        return this.#switch(network.name);
      case 'user':
      case 'tap':
      case 'none':
        return NO_NETWORK;
    }
  }

  #switch(name: string): VirtualSwitch {
    const found = this.#switches.get(name) ?? new VirtualSwitch();
    this.#switches.set(name, found);
    return found;
  }
}

function writeAll(fd: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
}
