/** A whole Xen host as one object, for programs that embed guests: tests, examples, notebooks. */
import { type BlockStore, type NetBackHost, type NetBackOptions, VirtualSwitch } from '@domu/backends';
import { type Clock, type Domain, Machine, VirtualClock } from '@domu/xen-hypervisor';
import { XenStore } from '@domu/xenstore/server';
import { pagingModeOf, planDomain } from '../builder/build.ts';
import { type Kernel, loadKernel } from '../elf/kernel.ts';
import { fail, ok, type Result } from '../result.ts';
import { HostedGuest } from './hosted-guest.ts';

/** What a network interface can be plugged into. */
export type GuestNetwork = NetBackOptions['network'];

/** What a host is made of. */
export interface GuestHostOptions {
  /** For all guests together; default 64. */
  readonly memoryMiB?: number;
  /** Default: a virtual clock, with which runs repeat exactly. */
  readonly clock?: Clock;
  /** How instructions run; guests cannot tell the difference. Default `interpreter`. */
  readonly engine?: 'interpreter' | 'jit';
  /** One line for the operator, as a crash is. */
  readonly log?: (line: string) => void;
}

/** What a guest is made of. */
export interface GuestOptions {
  /** A kernel's file: an ELF file, compressed or not, or a bzImage. */
  readonly kernel: Uint8Array;
  readonly name?: string;
  /** Default 16. */
  readonly memoryMiB?: number;
  /** Default 1. */
  readonly vcpus?: number;
  readonly cmdline?: string;
  readonly ramdisk?: Uint8Array;
  /** The TypeScript of a kernel whose image calls it. */
  readonly semihost?: Domain['semihost'];
  /** Disks by virtual device name: `{ xvda: store }`. */
  readonly disks?: Readonly<Record<string, BlockStore>>;
  /** What each network interface is plugged into. */
  readonly networks?: readonly GuestNetwork[];
}

/** Machine memory beside the guests' own: Xen's tables, shared pages, and room for rounding. */
const XEN_MEMORY_MIB = 8;
const DEFAULT_MEMORY_MIB = 64;
const DEFAULT_GUEST_MIB = 16;
const PAGES_PER_MIB = 256;
/** Instructions between two looks at the caller's condition. */
const SLICE = 100_000;
const DEFAULT_MAX_INSTRUCTIONS = 10_000_000_000;

/** Machine, xenstored and the backends, with everything in memory. Nothing runs but inside `run`. */
export class GuestHost {
  readonly machine: Machine;
  readonly store: XenStore;
  readonly #backends: NetBackHost;
  readonly #switches: Map<string, VirtualSwitch> = new Map();

  constructor(options: GuestHostOptions = {}) {
    const { memoryMiB = DEFAULT_MEMORY_MIB, clock = new VirtualClock(), engine, log } = options;
    const machine = new Machine({ memoryMiB: memoryMiB + XEN_MEMORY_MIB, clock, engine, log });
    this.machine = machine;
    this.store = new XenStore({
      defer: (job) => machine.defer(job),
      domainExists: (domid) => domid === 0 || machine.domains.has(domid),
    });
    const { host } = machine;
    this.#backends = {
      defer: (job) => machine.defer(job),
      bindInterdomain: (domid, port, handler) => {
        const bound = host.bindInterdomain(domid, port, handler);
        if (typeof bound === 'number') return bound;
        return { notify: () => void bound.notify(), close: () => bound.close() };
      },
      mapGrant: (domid, gref, how) => host.grants.map(domid, gref, how),
      copyFromGrant: (domid, ref, offset, into) => host.grants.copyFrom({ domid, ref, offset }, into),
      copyToGrant: (domid, ref, from) => host.grants.copyTo({ domid, ref, offset: 0 }, from),
      transferPage: (domid, ref, from) => host.grants.transfer(domid, ref, from),
    };
  }

  /** The virtual switch of this name; the same at every call. Guests that are plugged into it see each other. */
  lan(name: string = 'lan'): VirtualSwitch {
    const found = this.#switches.get(name) ?? new VirtualSwitch();
    this.#switches.set(name, found);
    return found;
  }

  /** Builds a guest and lets it run from the next `run` on. @returns the guest, or one line that says why there is none */
  start(options: GuestOptions): Result<HostedGuest> {
    const kernel = loadKernel(options.kernel);
    if (!kernel.ok) return kernel;
    const { ramdisk = null, memoryMiB = DEFAULT_GUEST_MIB } = options;
    const cmdline = new TextEncoder().encode(options.cmdline ?? '');
    const input = { kernel: kernel.value, ramdisk, cmdline, memoryMiB };
    const layout = planDomain(input);
    if (!layout.ok) return fail(layout.error.message);
    const domain = this.#createDomain(options, kernel.value, memoryMiB);
    if (domain === null) return fail(`the host has not got ${memoryMiB} MiB left`);
    const parts = { domain, store: this.store, backends: this.#backends };
    const guest = HostedGuest.build(parts, layout.value, input);
    if (!guest.ok) {
      this.machine.destroyDomain(domain);
      return guest;
    }
    for (const [vdev, disk] of Object.entries(options.disks ?? {})) {
      const refused = guest.value.plugDisk(vdev, disk);
      if (refused !== null) {
        guest.value.destroy();
        return fail(refused);
      }
    }
    for (const network of options.networks ?? []) guest.value.plugNetwork(network);
    domain.semihost = options.semihost ?? null;
    domain.unpause();
    return ok(guest.value);
  }

  /**
   * Lets guests run until nothing is left to do (they have stopped, or all wait for the host), `until` holds, or
   * `maxInstructions` have been retired. With a clock that follows the host, also when all sleep.
   * @returns why it came back
   */
  run(
    options: { readonly until?: () => boolean; readonly maxInstructions?: number } = {},
  ): 'stopped' | 'idle' | 'until' | 'limit' {
    const { until = () => false, maxInstructions = DEFAULT_MAX_INSTRUCTIONS } = options;
    for (let left = maxInstructions; left > 0; left -= SLICE) {
      if (until()) return 'until';
      const { state } = this.machine.run(Math.min(SLICE, left));
      if (state !== 'running') return until() ? 'until' : state;
    }
    return 'limit';
  }

  #createDomain({ name, vcpus }: GuestOptions, kernel: Kernel, memoryMiB: number): Domain | null {
    const maxPages = memoryMiB * PAGES_PER_MIB;
    if (this.machine.frames.freeFrames < maxPages) return null;
    return this.machine.createDomain({
      ...{ name, vcpus, maxPages },
      mode: pagingModeOf(kernel),
      translated: kernel.translated,
      memoryMapBytes: memoryMiB << 20,
    });
  }
}
