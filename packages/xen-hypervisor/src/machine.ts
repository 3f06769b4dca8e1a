import type { EventChannels } from '@domu/event-channel/hypervisor';
import type { GrantTable } from '@domu/grant-table/hypervisor';
import { DirectPaging, FrameTable, M2P, MachineMemory, TranslatedPaging } from '@domu/shadow-mmu';
import { CPU_RESERVED_BYTES, Cpu, Reg } from '@domu/x86-cpu';
import { DOMID_FIRST_RESERVED, SHUTDOWN_crash, SHUTDOWN_suspend, XEN_LEGACY_MAX_VCPUS } from '@domu/xen-abi';
import { bug } from './bug.ts';
import type { Clock } from './clock.ts';
import { Counters } from './counters.ts';
import { type CrashReport, crashReport } from './crash.ts';
import { destroyGdt, releaseLdtPages } from './descriptor-tables.ts';
import { Domain, type DomainOptions } from './domain.ts';
import { MachineGrantFrames } from './grant-frames.ts';
import { GuestBus } from './guest-bus.ts';
import { HostDomain } from './host-domain.ts';
import type { Binding } from './hypercall-binding.ts';
import { bindingsByNumber } from './hypercall-table.ts';
import { HypercallWork } from './hypercall-work.ts';
import type { MachineObserver } from './observer.ts';
import { Runner } from './runner.ts';
import { Scheduler } from './scheduler.ts';
import { ScratchRequest } from './scratch-request.ts';
import { type TimeScale, TSC_KHZ, timeScale, updateWallClock } from './time-records.ts';
import { TimerQueue } from './timers.ts';
import { BounceScratch } from './traps/bounce.ts';
import type { Vcpu } from './vcpu.ts';
import { createEventChannels, createGrantTable } from './wiring.ts';

/** What a machine is made of. */
export interface MachineOptions {
  /** Machine memory, for all domains and Xen's own frames together. */
  readonly memoryMiB: number;
  readonly clock: Clock;
  /** How instructions run; guests cannot tell the difference. `interpreter` when absent. */
  readonly engine?: 'interpreter' | 'jit';
  /** One line for the operator: crashes, refused requests. Rate-limited by the callers. */
  readonly log?: (line: string) => void;
}

/** Why `run` came back. */
export type RunResult =
  | { readonly state: 'running' }
  /** All vCPUs sleep; the earliest timer is due at `untilNs`, or only the host can wake them (null). */
  | { readonly state: 'idle'; readonly untilNs: number | null }
  /** No domain is left that could ever run. */
  | { readonly state: 'stopped' };

/** Frame number to machine address. */
const PAGE_BYTES = 4096;
const WASM_PAGE_BYTES = 65_536;
const FRAMES_PER_MIB = 256;
/** struct shared_info starts with the vcpu_info records. */
const MAX_VCPUS = XEN_LEGACY_MAX_VCPUS;

/**
 * A whole Xen host: machine memory, one physical CPU, the domains. Domain 0 is the host itself (`host`): no guest runs
 * in it, backends act in its name.
 */
export class Machine {
  readonly memory: MachineMemory;
  readonly frames: FrameTable;
  readonly m2p: M2P;
  readonly cpu: Cpu;
  readonly bus: GuestBus;
  readonly clock: Clock;
  readonly timeScale: TimeScale = timeScale(TSC_KHZ);
  readonly timers: TimerQueue = new TimerQueue();
  readonly scheduler: Scheduler;
  readonly domains: Map<number, Domain> = new Map();
  readonly grantFrames: MachineGrantFrames;
  readonly host: HostDomain;
  readonly counters: Counters = new Counters();
  readonly hypercalls: readonly (Binding | undefined)[] = bindingsByNumber();
  /** Budget and continuation of the hypercall under way. */
  readonly work: HypercallWork = new HypercallWork();
  readonly log: (line: string) => void;
  /** Reused by descriptor loads and CPUID emulation; holds nothing across calls. */
  readonly scratchDescriptor: Uint32Array = new Uint32Array(2);
  readonly scratchCpuid: Uint32Array = new Uint32Array(4);
  /** One request of a list, while it is carried out. */
  readonly scratchRequest: ScratchRequest = new ScratchRequest();
  readonly bounceScratch: BounceScratch = new BounceScratch();
  /** The vCPU whose registers are in `cpu`; it may be asleep. */
  current: Vcpu | null = null;
  /** Who watches, or null. It may come and go between two calls of `run`. */
  observer: MachineObserver | null = null;
  /** A frame of Xen's that the page-table write emulation copies a table into. */
  readonly scratchMfn: number;
  readonly #runner: Runner;
  #nextDomid = 1;

  constructor(options: MachineOptions) {
    this.clock = options.clock;
    this.log = options.log ?? (() => {});
    const nrFrames = options.memoryMiB * FRAMES_PER_MIB;
    const pages = Math.ceil((CPU_RESERVED_BYTES + nrFrames * PAGE_BYTES) / WASM_PAGE_BYTES);
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    this.memory = new MachineMemory(memory, CPU_RESERVED_BYTES, nrFrames);
    this.bus = new GuestBus(this);
    this.cpu = new Cpu({
      memory,
      ramBase: CPU_RESERVED_BYTES,
      ramBytes: nrFrames * PAGE_BYTES,
      bus: this.bus,
      engine: options.engine ?? 'interpreter',
    });
    this.memory.onFrameReplaced = (mfn) => this.cpu.memoryChanged(mfn * PAGE_BYTES, PAGE_BYTES);
    this.cpu.fastSystemCalls.sysenter = true;
    const tlb = {
      flushAll: () => this.cpu.flushTlb(),
      flushPage: (linear: number) => this.cpu.invlpg(linear),
    };
    this.frames = new FrameTable({ memory: this.memory, tlb });
    this.m2p = new M2P(this.frames);
    this.scratchMfn = this.frames.allocXen();
    this.clock.attach(() => this.cpu.retired);
    this.scheduler = new Scheduler(this);
    this.grantFrames = new MachineGrantFrames(this);
    this.host = new HostDomain(this);
    this.#runner = new Runner(this);
  }

  /** Lets guests run for at most about `budget` instructions, and about `ns` of the clock's time. */
  run(budget: number, ns: number = Number.POSITIVE_INFINITY): RunResult {
    return this.#runner.run(budget, ns);
  }

  /** Runs `task` soon, outside of any guest's hypercall and not inside another task. */
  defer(task: () => void): void {
    this.#runner.defer(task);
  }

  /**
   * Makes an empty domain in state `building`.
   * Preconditions: `maxPages` plus a few frames for Xen are free; at most 32 vCPUs; `domid` is not in use
   */
  createDomain(options: DomainOptions): Domain {
    const id = options.domid ?? this.#freeDomid();
    if (id <= 0 || id >= DOMID_FIRST_RESERVED || this.domains.has(id)) bug(`domain id ${id} cannot be used`);
    if ((options.vcpus ?? 1) > MAX_VCPUS) bug(`more than ${MAX_VCPUS} vCPUs`);
    const sharedInfo = this.frames.allocXen();
    if (sharedInfo < 0) bug('machine memory is used up');
    this.frames.shareXenFrame(sharedInfo, id);
    const { memory, frames, m2p } = this;
    const parts = { memory, frames, m2p, domid: id, mode: options.mode ?? 'pae' };
    const paging = options.translated ? new TranslatedPaging(parts) : new DirectPaging(parts);
    const domain = new Domain(this, id, options, { paging, sharedInfo });
    domain.evtchn = createEventChannels(domain);
    domain.grants = createGrantTable(this, id, domain.release.grantFrames ?? options.maxGrantFrames);
    domain.grants.grow(domain.release.grantFrames ?? 1);
    this.domains.set(id, domain);
    updateWallClock(domain);
    return domain;
  }

  /** Ends a domain and gives its memory back, except frames that others still map. */
  destroyDomain(domain: Domain): void {
    if (domain.state.state === 'dead') return;
    domain.state = { state: 'dead' };
    for (const vcpu of domain.vcpus) this.#destroyVcpu(vcpu);
    domain.watchdogs.stopAll();
    domain.evtchn.destroy();
    domain.grants.destroy();
    domain.paging.destroy();
    this.domains.delete(domain.id);
    this.cpu.dropCompiledCode();
  }

  /** Stops a domain with a SHUTDOWN_* code; it stays in memory until destroyed. */
  shutdownDomain(domain: Domain, code: number): void {
    if (domain.state.state !== 'running') return;
    const effective = domain.shutdownCode >= 0 ? domain.shutdownCode : code;
    if (effective === SHUTDOWN_crash) domain.crash ??= this.#describe(domain, 'it shut down as crashed');
    domain.state = { state: 'shutdown', code: effective };
    this.defer(() => domain.onShutdown?.(effective));
  }

  /**
   * Lets a suspended domain go on where it stopped: its SCHEDOP_shutdown returns. Everything it had is still there.
   * @param result what the call returns: 1 when the suspend was cancelled, which a kernel with the note SUSPEND_CANCEL wants
   *   to know; 0 as after a restore
   * @returns false when the domain is not suspended
   * Source: tools/libs/guest/xg_resume.c, "modify_returncode" @ RELEASE-4.18.0
   */
  resumeDomain(domain: Domain, result: 0 | 1): boolean {
    if (domain.state.state !== 'shutdown' || domain.state.code !== SHUTDOWN_suspend) return false;
    domain.state = { state: 'running' };
    domain.shutdownCode = -1;
    this.withRegisters(domain.vcpus[0], (cpu) => {
      cpu.regs[Reg.EAX] = result;
    });
    for (const vcpu of domain.vcpus) this.scheduler.resume(vcpu);
    return true;
  }

  /** The guest broke its contract beyond repair: it stops with SHUTDOWN_crash, the machine lives on. */
  crashDomain(domain: Domain, reason: string): void {
    if (domain.crash !== null || domain.state.state !== 'running') return;
    domain.crash = this.#describe(domain, reason);
    this.log(`domain ${domain.id} crashed: ${reason}`);
    domain.shutdownCode = -1;
    this.shutdownDomain(domain, SHUTDOWN_crash);
  }

  /** Puts a vCPU's registers into the CPU. */
  switchTo(vcpu: Vcpu): void {
    if (this.current === vcpu) return;
    const before = this.current;
    if (before !== null) this.cpu.saveContext(before.context);
    this.cpu.loadContext(vcpu.context);
    this.current = vcpu;
    // vCPUs on the same tables share the TLB: whatever one of them flushes is gone for both.
    if (before?.domain !== vcpu.domain || before.rootMfn !== vcpu.rootMfn) this.flushTlb();
    this.counters.contextSwitches++;
  }

  /** Runs `use` while `cpu` holds the registers of `vcpu`. */
  withRegisters<T>(vcpu: Vcpu, use: (cpu: Cpu) => T): T {
    const before = this.current;
    this.switchTo(vcpu);
    const result = use(this.cpu);
    if (before !== null) this.switchTo(before);
    return result;
  }

  /** Empties the TLB. */
  flushTlb(): void {
    this.frames.flushTlb();
  }

  /** Puts a vCPU on another root table; its LDT pages are looked up anew. @returns 0 or -errno, as `Paging.newBaseptr` */
  newBaseptr(vcpu: Vcpu, gfn: number): number {
    const mfn = vcpu.domain.paging.toMfn(gfn);
    const rc = vcpu.domain.paging.newBaseptr(vcpu.rootMfn, mfn);
    if (rc !== 0) return rc;
    releaseLdtPages(vcpu);
    vcpu.rootMfn = mfn;
    return 0;
  }

  /** @returns the event channels of a living domain, or undefined */
  channelsOf(domid: number): EventChannels | undefined {
    return domid === this.host.id ? this.host.channels : this.domains.get(domid)?.evtchn;
  }

  /** @returns the grant table of a living domain, or undefined */
  grantsOf(domid: number): GrantTable | undefined {
    return domid === this.host.id ? this.host.grantTable : this.domains.get(domid)?.grants;
  }

  /** Number of grant mappings that domains, the host's among them, hold at present. */
  get liveGrants(): number {
    let live = this.host.grantTable.maptrack.size;
    for (const { grants } of this.domains.values()) live += grants.maptrack.size;
    return live;
  }

  /** Number of event channel ports in use, the host's among them. */
  get livePorts(): number {
    let live = this.host.channels.nrActive;
    for (const { evtchn } of this.domains.values()) live += evtchn.nrActive;
    return live;
  }

  #describe(domain: Domain, reason: string): CrashReport {
    const vcpu = this.current?.domain === domain ? this.current : domain.vcpus[0];
    return this.withRegisters(vcpu, () => crashReport(vcpu, reason));
  }

  #freeDomid(): number {
    while (this.domains.has(this.#nextDomid) || this.#nextDomid >= DOMID_FIRST_RESERVED)
      this.#nextDomid = (this.#nextDomid + 1) % DOMID_FIRST_RESERVED || 1;
    return this.#nextDomid++;
  }

  #destroyVcpu(vcpu: Vcpu): void {
    const { paging } = vcpu.domain;
    vcpu.timers.stopAll();
    vcpu.runstate.areaVa = 0;
    this.scheduler.remove(vcpu);
    if (this.current === vcpu) this.current = null;
    releaseLdtPages(vcpu);
    destroyGdt(vcpu);
    vcpu.runstateArea.release();
    vcpu.timeArea.release();
    if (vcpu.infoFrame >= 0) paging.putWritableFrame(vcpu.infoFrame);
    paging.putRoot(vcpu.rootMfn);
    vcpu.rootMfn = 0;
  }
}
