export { PlatformBug } from './bug.ts';
export {
  type Caller,
  HYPERCALL_CONTINUE,
  HYPERCALL_KEEP_REGISTERS,
  type HypercallHandler,
} from './caller.ts';
export { type Clock, HostClock, VirtualClock } from './clock.ts';
export type { Counters } from './counters.ts';
export type { CrashReport } from './crash.ts';
export type { Domain, DomainOptions, DomainState } from './domain.ts';
export type { GuestMemory } from './guest-memory.ts';
export type { HostDomain } from './host-domain.ts';
export type { Binding } from './hypercall-binding.ts';
export { fillHypercallPage } from './hypercall-page.ts';
export { HYPERCALL_TABLE } from './hypercall-table.ts';
export { describeXen, type XenDescription } from './hypercalls/version.ts';
export { Machine, type MachineOptions, type RunResult } from './machine.ts';
export type { MachineObserver } from './observer.ts';
export { Timer, TimerQueue } from './timers.ts';
export type { Vcpu } from './vcpu.ts';
export { initialiseVcpu } from './vcpu-context.ts';
export { vcpuContext } from './vcpu-snapshot.ts';
