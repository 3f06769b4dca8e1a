import type { EventChannels } from '@domu/event-channel/hypervisor';
import type { GrantTable } from '@domu/grant-table/hypervisor';
import type { Paging } from '@domu/shadow-mmu';
import {
  HYPERVISOR_VIRT_START,
  type PagingMode,
  type SemihostKernel,
  SHUTDOWN_watchdog,
} from '@domu/xen-abi';
import type { CrashReport } from './crash.ts';
import type { Machine } from './machine.ts';
import { Vcpu } from './vcpu.ts';
import { Watchdogs } from './watchdogs.ts';
import { XEN_3_0, XEN_4_18, type XenRelease } from './xen-release.ts';

/** How a domain may be asked for; the toolstack fills it from xl.cfg. */
export interface DomainOptions {
  /** Default: the lowest free one from 1. */
  readonly domid?: number;
  readonly name?: string;
  /** 16 bytes, or absent for zeros. */
  readonly uuid?: Uint8Array;
  /** Upper bound of the domain's own frames. */
  readonly maxPages: number;
  readonly vcpus?: number;
  /** `pae`: 3-level page tables; `classic`: 2-level. */
  readonly mode?: PagingMode;
  /** Shadow translated paging (auto_translated_physmap), on Xen 3.0.3; else direct paging, on Xen 4.18. */
  readonly translated?: boolean;
  /** Ports 1..maxEventChannels may be used. Default 1023. */
  readonly maxEventChannels?: number;
  /** Default 32. */
  readonly maxGrantFrames?: number;
  /** e820 for XENMEM_memory_map in bytes of RAM; absent: the call answers -XEN_ENOSYS. */
  readonly memoryMapBytes?: number;
}

/** Life of a domain as the toolstack sees it. */
export type DomainState =
  | { readonly state: 'building' }
  | { readonly state: 'running' }
  | { readonly state: 'shutdown'; readonly code: number }
  | { readonly state: 'dead' };

/** An unprivileged PV domain. Made by `Machine.createDomain`. */
export class Domain {
  readonly machine: Machine;
  readonly id: number;
  readonly name: string;
  readonly uuid: Uint8Array;
  readonly mode: PagingMode;
  readonly vcpus: Vcpu[] = [];
  readonly options: DomainOptions;
  readonly paging: Paging;
  /** The Xen that the domain finds itself on. */
  readonly release: XenRelease;
  /** Frame of struct shared_info: owned by Xen, mappable read-write by this domain. */
  readonly sharedInfo: number;
  /** Set by Machine.createDomain right after construction (they need the domain). */
  evtchn!: EventChannels;
  grants!: GrantTable;
  /** Upper bound of frames; the toolstack may change it. */
  maxPages: number;
  /** VMASST_TYPE_* bits that are enabled. */
  vmAssist: number = 0;
  state: DomainState = { state: 'building' };
  /** Set when the domain broke its contract or called itself crashed; it is then in shutdown with SHUTDOWN_crash. */
  crash: CrashReport | null = null;
  /** SCHEDOP_shutdown_code, used when a shutdown gives no code of its own. */
  shutdownCode: number = -1;
  readonly watchdogs: Watchdogs;
  /** Called once when the domain shuts down, outside of any hypercall. */
  onShutdown: ((code: number) => void) | null = null;
  /** Line buffer and sink of console_io writes. */
  consoleLine: string = '';
  onConsoleLine: ((line: string) => void) | null = null;
  /** The kernel of a domain whose kernel is TypeScript. */
  semihost: SemihostKernel | null = null;

  constructor(
    machine: Machine,
    id: number,
    options: DomainOptions,
    parts: { paging: Paging; sharedInfo: number },
  ) {
    this.machine = machine;
    this.id = id;
    this.name = options.name ?? `domain-${id}`;
    this.uuid = options.uuid ?? new Uint8Array(16);
    this.mode = options.mode ?? 'pae';
    this.options = options;
    this.paging = parts.paging;
    this.release = options.translated ? XEN_3_0 : XEN_4_18;
    this.sharedInfo = parts.sharedInfo;
    this.maxPages = options.maxPages;
    this.watchdogs = new Watchdogs(machine.timers, () => machine.shutdownDomain(this, SHUTDOWN_watchdog));
    for (let i = 0; i < (options.vcpus ?? 1); i++) this.vcpus.push(new Vcpu(this, i));
  }

  /** Frames that the domain owns now. */
  get totPages(): number {
    return this.machine.frames.totPages(this.id);
  }

  get schedulable(): boolean {
    return this.state.state === 'running';
  }

  /** First linear address of the hypervisor's window. */
  get hypervisorVirtStart(): number {
    return HYPERVISOR_VIRT_START[this.mode];
  }

  hasAssist(type: number): boolean {
    return (this.vmAssist & (1 << type)) !== 0;
  }

  /** Lets a built domain run. */
  unpause(): void {
    if (this.state.state !== 'building') return;
    this.state = { state: 'running' };
    for (const vcpu of this.vcpus) if (vcpu.online) this.machine.scheduler.wake(vcpu);
  }
}
