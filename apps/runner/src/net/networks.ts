import { writeSync } from 'node:fs';
import { capturedNetwork, NO_NETWORK, type PcapTime, PcapWriter, VirtualSwitch } from '@domu/backends';
import { TapNetwork } from '@domu/backends/node';
import type { EthernetNetwork } from '@domu/netstack';
import type { PlannedVif } from '@domu/toolstack';
import { UserNetwork, type UserNetworkOptions } from '@domu/usernet';
import { HostTicker, NodeNetwork } from '@domu/usernet/node';

/** A network interface that is to be plugged in. */
export interface VifPlan {
  readonly vif: PlannedVif;
  /** Open file that everything it sends and gets is written to; null: nothing is. */
  readonly captureFd: number | null;
  /** How its user-mode network is laid out, if that is what it is plugged into. */
  readonly userOptions: UserNetworkOptions | null;
}

/** What the networks of a machine need of it. */
export interface NetworksParts {
  /** The machine's time of day, for captures. */
  readonly now: () => PcapTime;
  /** Tells the user something, such as that a port of the host cannot be opened. */
  readonly tell: (text: string) => void;
}

/** The networks of one machine: switches by name, and what interfaces have for themselves. */
export class Networks {
  readonly #parts: NetworksParts;
  readonly #switches: Map<string, VirtualSwitch> = new Map();
  readonly #opened: Map<VifPlan, EthernetNetwork> = new Map();
  readonly #closers: (() => void)[] = [];

  constructor(parts: NetworksParts) {
    this.#parts = parts;
  }

  /** Whether frames may come from outside of the machine, so that a machine that sleeps may wake up. */
  get reachOutside(): boolean {
    return this.#closers.length > 0;
  }

  /** Ends what reaches outside. */
  close(): void {
    for (const close of this.#closers.splice(0)) close();
  }

  /** @returns what the interface is plugged into; the same at every start of its guest */
  networkOf(plan: VifPlan): EthernetNetwork {
    const opened = this.#opened.get(plan);
    if (opened !== undefined) return opened;
    const network = this.#open(plan);
    const { captureFd } = plan;
    const whole =
      captureFd === null
        ? network
        : capturedNetwork(
            network,
            new PcapWriter({ write: (bytes) => writeAll(captureFd, bytes), now: this.#parts.now }),
          );
    this.#opened.set(plan, whole);
    return whole;
  }

  #open({ vif: { network }, userOptions }: VifPlan): EthernetNetwork {
    switch (network.kind) {
      case 'switch':
        return this.#switch(network.name);
      case 'user':
        return this.#user(userOptions ?? {});
      case 'tap':
        return this.#tap(network.name);
      case 'none':
        return NO_NETWORK;
    }
  }

  /** Each interface has one of its own, which lives as long as the machine, over restarts of the guest. */
  #user(options: Partial<UserNetworkOptions>): UserNetwork {
    const clock = new HostTicker();
    const log = this.#parts.tell;
    const network = new UserNetwork({ clock, host: new NodeNetwork(), log }, options);
    clock.start(network);
    this.#closers.push(() => {
      network.close();
      clock.stop();
    });
    return network;
  }

  #tap(name: string): TapNetwork {
    const network = new TapNetwork({ name, tell: this.#parts.tell });
    this.#closers.push(() => network.close());
    return network;
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
