import { DirectPaging, FrameTable, M2P, MachineMemory } from '@domu/shadow-mmu';
import { CPU_RESERVED_BYTES, Cpu } from '@domu/x86-cpu';
import type { Clock } from './clock.ts';
import { Counters } from './counters.ts';
import { crashReport } from './crash.ts';
import { Domain, type DomainOptions } from './domain.ts';
import { GuestBus } from './guest-bus.ts';
import { HostDomain } from './host-domain.ts';
import { Scheduler } from './scheduler.ts';
import { TimerQueue } from './timers.ts';
import type { Vcpu } from './vcpu.ts';

/** What a machine is made of. */
export interface MachineOptions {
  /** Machine memory, for all domains and Xen's own frames together. */
  readonly memoryMiB: number;
  readonly clock: Clock;
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

/** Most instructions between two looks at the host's clock. */
const HOST_SLICE_INSTRUCTIONS = 200_000;
/** What a jump of the virtual clock costs of the budget, so that an idle guest with a tick still ends `run`. */
const JUMP_COST = 1_000;

/**
 * A whole Xen host: machine memory, one physical CPU, the domains. Domain 0 is the host itself (`host`): no guest runs
 * in it, backends act in its name.
 */
export class Machine {
  readonly memory: MachineMemory;
  readonly frames: FrameTable;
  readonly m2p: M2P;
  readonly cpu: Cpu;
  readonly clock: Clock;
  readonly timers: TimerQueue = new TimerQueue();
  readonly scheduler: Scheduler;
  readonly domains: Map<number, Domain> = new Map();
  readonly host: HostDomain;
  readonly counters: Counters = new Counters();
  readonly log: (line: string) => void;
  /** The vCPU whose registers are in `cpu`; it may be asleep (lazy switch). */
  current: Vcpu | null = null;
  /** Handlers of backends and domain hooks, run between guest instructions. */
  readonly #deferred: (() => void)[] = [];

  constructor(options: MachineOptions) {
    this.clock = options.clock;
    this.log = options.log ?? (() => {});
    this.scheduler = new Scheduler(this);
  }

  /** Runs `task` soon, outside of any guest's hypercall and not inside another task. */
  defer(task: () => void): void {
    this.#deferred.push(task);
  }
}
