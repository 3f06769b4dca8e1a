import { BlkBack, type BlockStore, ConsoleBackend, NetBack, type NetBackHost } from '@domu/backends';
import {
  domId,
  GNTTAB_RESERVED_CONSOLE,
  GNTTAB_RESERVED_XENSTORE,
  SHUTDOWN_crash,
  SHUTDOWN_poweroff,
} from '@domu/xen-abi';
import type { Domain } from '@domu/xen-hypervisor';
import type { XenStore } from '@domu/xenstore/server';
import { type BuildInput, buildDomain } from '../builder/build.ts';
import type { Layout } from '../builder/layout.ts';
import { vdevNumber } from '../cfg/vdev.ts';
import { generateMac } from '../cfg/vif-plan.ts';
import { ok, type Result } from '../result.ts';
import { createVbdNodes, createVifNodes } from '../store/device-nodes.ts';
import { createDomainNodes, removeDomainNodes } from '../store/domain-nodes.ts';
import type { GuestNetwork } from './guest-host.ts';

/** What serves a guest. */
export interface HostedGuestParts {
  readonly domain: Domain;
  readonly store: XenStore;
  readonly backends: NetBackHost;
}

const KIB_PER_MIB = 1024;

/** A guest of a `GuestHost`, with its console and devices. */
export class HostedGuest {
  readonly domain: Domain;
  readonly uuid: string;
  /** Everything that the guest has written to its console, as UTF-8. */
  output: string = '';
  /** Called with each piece of output, before it is in `output`. */
  onOutput: (text: string) => void = () => {};
  /** SHUTDOWN_* once the guest has stopped; null before. */
  shutdownCode: number | null = null;
  readonly #parts: HostedGuestParts;
  readonly #releases: (() => void)[] = [];
  readonly #decoder: TextDecoder = new TextDecoder();
  #console!: ConsoleBackend;
  #nrVifs = 0;

  private constructor(parts: HostedGuestParts) {
    this.domain = parts.domain;
    this.#parts = parts;
    this.uuid = `00000000-0000-4000-8000-${this.domain.id.toString(16).padStart(12, '0')}`;
  }

  /** Builds the domain and connects console and store. @returns the guest, its domain paused; or why there is none */
  static build(parts: HostedGuestParts, layout: Layout, input: BuildInput): Result<HostedGuest> {
    const { domain, store } = parts;
    const built = buildDomain(domain, layout, input);
    if (!built.ok) return built;
    const guest = new HostedGuest(parts);
    const memoryKiB = input.memoryMiB * KIB_PER_MIB;
    createDomainNodes(store, {
      ...{ domid: domain.id, name: domain.name, uuid: guest.uuid, memoryKiB, maxMemoryKiB: memoryKiB },
      ...{ vcpus: domain.vcpus.map(() => true), store: built.value.store, console: built.value.console },
    });
    store.introduceDomain(domId(domain.id), {
      page: guest.#page(GNTTAB_RESERVED_XENSTORE),
      bind: (onEvent) => guest.#bind(built.value.store.port, onEvent),
    });
    guest.#console = new ConsoleBackend({
      page: guest.#page(GNTTAB_RESERVED_CONSOLE),
      sink: { write: (bytes) => guest.#take(bytes) },
      bind: (onEvent) => guest.#bind(built.value.console.port, onEvent),
    });
    domain.onShutdown = (code) => {
      guest.shutdownCode = code;
      store.domainShutdown(domId(domain.id));
    };
    return ok(guest);
  }

  /** Whether the guest runs or waits. */
  get running(): boolean {
    return this.domain.state.state === 'running';
  }

  /** How the guest has ended, in a word: `running`, `powered off`, `crashed: REASON`, or the code of its shutdown. */
  get fate(): string {
    if (this.running) return 'running';
    if (this.shutdownCode === SHUTDOWN_poweroff) return 'powered off';
    if (this.shutdownCode === SHUTDOWN_crash) return `crashed: ${this.domain.crash?.reason}`;
    return `shut down with code ${this.shutdownCode}`;
  }

  /** Types text at the guest's console. */
  type(text: string): void {
    this.#console.input(new TextEncoder().encode(text));
  }

  /** Plugs a disk in. @param vdev xvda, xvdb1, … @returns null, or why that is no name of a disk */
  plugDisk(vdev: string, disk: BlockStore): string | null {
    const devid = vdevNumber(vdev);
    if (!devid.ok) return devid.error;
    const { domain, store, backends: host } = this.#parts;
    const { backend } = createVbdNodes(store, domain.id, {
      ...{ target: '', format: 'raw', vdev, devid: devid.value, readonly: disk.readonly },
      ...{ cdrom: false, discard: disk.discard !== undefined, snapshot: false },
    });
    const blkback = new BlkBack({ host, store, path: backend, disk });
    this.#releases.push(() => blkback.close());
    return null;
  }

  /** Plugs a network interface in: the first is eth0 in Linux. @returns its MAC address */
  plugNetwork(network: GuestNetwork): readonly number[] {
    const { domain, store, backends: host } = this.#parts;
    const devid = this.#nrVifs++;
    const mac = generateMac(this.uuid, devid);
    const { backend } = createVifNodes(store, domain.id, {
      ...{ devid, mac, mtu: null, network: { kind: 'none' }, host: {} },
    });
    const netback = new NetBack({ host, store, path: backend, network });
    this.#releases.push(() => netback.close());
    return mac;
  }

  /** Ends the guest and everything that served it. */
  destroy(): void {
    const { domain, store } = this.#parts;
    this.#console.close();
    store.released(domId(domain.id));
    removeDomainNodes(store, domain.id, this.uuid);
    for (const release of this.#releases.splice(0).reverse()) release();
    domain.machine.destroyDomain(domain);
  }

  #take(bytes: Uint8Array): boolean {
    const text = this.#decoder.decode(bytes, { stream: true });
    this.onOutput(text);
    this.output += text;
    return true;
  }

  #page(gref: number): Uint8Array {
    const { domain } = this.#parts;
    const grant = domain.machine.host.grants.map(domain.id, gref, { readonly: false });
    if (typeof grant === 'number')
      throw new Error(`the builder's own grant ${gref} cannot be mapped: ${grant}`);
    this.#releases.push(() => grant.release());
    return grant.bytes;
  }

  #bind(port: number, onEvent: () => void): { notify(): void; close(): void } {
    const { domain } = this.#parts;
    const bound = domain.machine.host.bindInterdomain(domain.id, port, onEvent);
    if (typeof bound === 'number')
      throw new Error(`the builder's own port ${port} cannot be bound: ${bound}`);
    return { notify: () => void bound.notify(), close: () => bound.close() };
  }
}
