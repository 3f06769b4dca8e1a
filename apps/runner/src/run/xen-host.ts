import { ConsoleBackend, type ConsoleSink, type NetBackHost } from '@domu/backends';
import {
  type BuiltDomain,
  buildDomain,
  createDomainNodes,
  type Layout,
  pagingModeOf,
  removeDomainNodes,
  type Setting,
  type SymbolTable,
  shutdownReason,
} from '@domu/toolstack';
import { domId, GNTTAB_RESERVED_CONSOLE, GNTTAB_RESERVED_XENSTORE } from '@domu/xen-abi';
import { type Clock, type Domain, Machine, type MachineOptions } from '@domu/xen-hypervisor';
import { XenStore } from '@domu/xenstore/server';
import { createBackendHost } from '../net/backend-host.ts';
import { GuestVifs } from '../net/guest-vifs.ts';
import { Networks } from '../net/networks.ts';
import { DiskTracer } from '../trace/device-tracer.ts';
import { Tracing } from '../trace/tracing.ts';
import { UserError } from '../user-error.ts';
import { attachKernel, randomSource } from './built-in-kernel.ts';
import { GuestChannels } from './guest-channels.ts';
import { GuestDisks } from './guest-disks.ts';
import type { GuestPlan } from './guest-plan.ts';
import type { EngineKind } from './options.ts';
import { XenLog } from './xen-log.ts';

/** Machine memory beside the guest's own: Xen's tables, shared pages, and room for rounding. */
const XEN_MEMORY_MIB = 8;
const XEN_CONSOLE_LINES = 20;
const PAGES_PER_MIB = 256;
const KIB_PER_MIB = 1024;
const BYTES_PER_MIB = 1 << 20;
const NS_PER_SECOND = 1_000_000_000;

/** A running guest with its daemons. */
export interface RunningGuest {
  readonly domain: Domain;
  readonly plan: GuestPlan;
  readonly console: ConsoleBackend;
  readonly disks: GuestDisks;
  readonly vifs: GuestVifs;
  readonly channels: GuestChannels;
  /** The SHUTDOWN_* code once the guest has stopped. */
  shutdownCode: number | null;
  /** Ends the guest and everything that served it. */
  destroy(): void;
}

/** A guest that can be built: what it is made of, and where things go in its memory. */
export interface LaidOutGuest {
  readonly plan: GuestPlan;
  readonly layout: Layout;
}

const maxMemoryOf = ({ config }: GuestPlan): Setting<number> => config.maxMemoryMiB ?? config.memoryMiB;

/** Errors: UserError when this host has not got so much memory */
function newMachine(guests: readonly LaidOutGuest[], options: Omit<MachineOptions, 'memoryMiB'>): Machine {
  const memoryMiB = {
    value: guests.reduce((sum, { plan }) => sum + maxMemoryOf(plan).value, 0),
    where: maxMemoryOf(guests[0].plan).where,
  };
  try {
    return new Machine({ ...options, memoryMiB: memoryMiB.value + XEN_MEMORY_MIB });
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new UserError(`${memoryMiB.where}: this host cannot give ${memoryMiB.value} MiB; expected less`);
  }
}

/** The Xen host around its guests: machine, xenstored, backends. The first guest has the console and may be started again. */
export class XenHost {
  readonly machine: Machine;
  readonly store: XenStore;
  /** The last lines that guests wrote to Xen's own console (console_io), where kernels report what kills them early. */
  readonly xenConsole: string[] = [];
  /** What `domu dmesg` shows: Xen's own lines, and what guests wrote to its console. */
  readonly log: XenLog;
  /** Those that there are now. */
  readonly guests: Set<RunningGuest> = new Set();
  readonly #guests: readonly LaidOutGuest[];
  readonly #backendHost: NetBackHost;
  readonly #tell: (text: string) => void;
  readonly networks: Networks;
  readonly tracing: Tracing;
  /** Names in the kernels of the domains that there have been. */
  readonly #symbols: WeakMap<Domain, SymbolTable> = new WeakMap();
  /** Random numbers for built-in kernels. */
  readonly #random: (into: Uint8Array) => void;

  /**
   * @param guests at least one
   * @param hooks.wake called when something has happened for a guest that may be asleep
   * @param hooks.tell tells the user something
   */
  constructor(
    guests: readonly LaidOutGuest[],
    clock: Clock,
    engine: EngineKind,
    { wake, tell }: { readonly wake: () => void; readonly tell: (text: string) => void },
  ) {
    this.#guests = guests;
    this.log = new XenLog(() => clock.nowNs());
    this.machine = newMachine(guests, { clock, engine, log: (line) => this.log.note(`(XEN) ${line}`) });
    this.#backendHost = createBackendHost(this.machine, wake);
    this.#random = randomSource(clock.virtual ? 'virtual' : 'host');
    this.#tell = tell;
    this.networks = new Networks({ now: () => wallTime(clock), tell });
    this.tracing = new Tracing({
      machine: this.machine,
      symbolsOf: (domain) => this.#symbols.get(domain) ?? null,
      tell,
    });
    this.store = new XenStore({
      defer: (job) => this.machine.defer(job),
      domainExists: (domid) => domid === 0 || this.machine.domains.has(domid),
    });
  }

  /** Builds and starts the first guest. Errors: UserError when it cannot be built; nothing of it is left then */
  start(sink: ConsoleSink): RunningGuest {
    return this.#start(this.#guests[0], sink);
  }

  /** Builds and starts the other guests. Errors: as `start` */
  startOthers(sinks: readonly ConsoleSink[]): RunningGuest[] {
    return this.#guests.slice(1).map((guest, i) => this.#start(guest, sinks[i]));
  }

  #start({ plan, layout }: LaidOutGuest, sink: ConsoleSink): RunningGuest {
    const { machine, store } = this;
    const domain = this.#createDomain(plan);
    this.#symbols.set(domain, plan.kernel.symbols);
    const built = buildDomain(domain, layout, {
      kernel: plan.kernel,
      ramdisk: plan.ramdisk,
      cmdline: plan.cmdline,
      memoryMiB: plan.config.memoryMiB.value,
    });
    if (!built.ok) {
      machine.destroyDomain(domain);
      throw new UserError(`${plan.kernelWhere}: ${built.error}`);
    }
    this.#writeNodes(plan, domain, built.value);
    const releases: (() => void)[] = [];
    const page = (gref: number): Uint8Array => {
      const grant = machine.host.grants.map(domain.id, gref, { readonly: false });
      if (typeof grant === 'number')
        throw new Error(`the builder's own grant ${gref} cannot be mapped: ${grant}`);
      releases.push(() => grant.release());
      return grant.bytes;
    };
    const bind = (port: number) => (onEvent: () => void) => {
      const bound = machine.host.bindInterdomain(domain.id, port, onEvent);
      if (typeof bound === 'number')
        throw new Error(`the builder's own port ${port} cannot be bound: ${bound}`);
      return { notify: () => void bound.notify(), close: () => bound.close() };
    };
    store.introduceDomain(domId(domain.id), {
      page: page(GNTTAB_RESERVED_XENSTORE),
      bind: bind(built.value.store.port),
    });
    const console = new ConsoleBackend({
      page: page(GNTTAB_RESERVED_CONSOLE),
      sink,
      bind: bind(built.value.console.port),
    });
    const disks = new GuestDisks({
      host: this.#backendHost,
      store,
      domid: domain.id,
      persistentGrants: plan.builtIn,
      observer: (vdev) => new DiskTracer(this.tracing.devices, `d${domain.id} ${vdev}`),
      tell: (text) => this.#tell(`${plan.config.name}: ${text}`),
    });
    for (const disk of plan.disks) disks.plug(disk);
    const vifs = new GuestVifs({
      host: this.#backendHost,
      store,
      networks: this.networks,
      domid: domain.id,
      traces: this.tracing.devices,
    });
    for (const vif of plan.vifs) vifs.plug(vif);
    const tell = (text: string): void => this.#tell(`${plan.config.name}: ${text}`);
    const host = this.#backendHost;
    const channels = new GuestChannels({ host, store, domid: domain.id, tell }, plan.channels);
    const guest: RunningGuest = {
      domain,
      plan,
      console,
      disks,
      vifs,
      channels,
      shutdownCode: null,
      destroy: () => {
        this.guests.delete(guest);
        console.close();
        disks.close();
        vifs.close();
        channels.close();
        store.released(domId(domain.id));
        removeDomainNodes(store, domain.id, plan.uuid);
        for (const release of releases) release();
        machine.destroyDomain(domain);
      },
    };
    this.guests.add(guest);
    this.log.note(
      `(XEN) d${domain.id} ${plan.config.name}: ${plan.config.memoryMiB.value} MiB, ${domain.vcpus.length} vCPU`,
    );
    domain.onConsoleLine = (line) => this.#noteLine(line, domain);
    domain.onShutdown = (code) => {
      guest.shutdownCode = code;
      this.log.note(`(XEN) d${domain.id} shut down: ${shutdownReason(code)}`);
      store.domainShutdown(domId(domain.id));
    };
    if (plan.builtIn) attachKernel(domain, this.#random, (line) => this.#noteLine(line, domain));
    domain.unpause();
    return guest;
  }

  #noteLine(line: string, { id }: Domain): void {
    this.log.note(`(d${id}) ${line}`);
    this.xenConsole.push(line);
    if (this.xenConsole.length > XEN_CONSOLE_LINES) this.xenConsole.shift();
  }

  #createDomain(plan: GuestPlan): Domain {
    const { config, kernel, uuid } = plan;
    const maxMiB = maxMemoryOf(plan).value;
    return this.machine.createDomain({
      name: config.name,
      uuid: Buffer.from(uuid.replaceAll('-', ''), 'hex'),
      maxPages: maxMiB * PAGES_PER_MIB,
      vcpus: config.vcpus.value,
      mode: pagingModeOf(kernel),
      translated: kernel.translated,
      maxEventChannels: config.maxEventChannels,
      maxGrantFrames: config.maxGrantFrames,
      memoryMapBytes: maxMiB * BYTES_PER_MIB,
    });
  }

  #writeNodes(plan: GuestPlan, domain: Domain, built: BuiltDomain): void {
    const { config, uuid } = plan;
    createDomainNodes(this.store, {
      domid: domain.id,
      name: config.name,
      uuid,
      memoryKiB: config.memoryMiB.value * KIB_PER_MIB,
      maxMemoryKiB: maxMemoryOf(plan).value * KIB_PER_MIB,
      vcpus: domain.vcpus.map(() => true),
      store: built.store,
      console: built.console,
    });
  }
}

/** The machine's time of day. */
function wallTime(clock: Clock): { seconds: number; nanoseconds: number } {
  const { seconds, nanoseconds } = clock.wallAtStart;
  const ns = clock.nowNs() + nanoseconds;
  return { seconds: seconds + Math.floor(ns / NS_PER_SECOND), nanoseconds: ns % NS_PER_SECOND };
}
