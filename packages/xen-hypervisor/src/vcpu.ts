import type { CpuContext } from '@domu/x86-cpu';
import { type GuestPort, VcpuInfo } from '@domu/xen-abi';
import type { Caller } from './caller.ts';
import type { Domain } from './domain.ts';
import { GuestArea } from './guest-area.ts';
import type { GuestMemory } from './guest-memory.ts';
import { VcpuMemory } from './guest-memory-access.ts';
import { Runstate } from './runstate.ts';
import { updateRunstateArea, updateTimeRecord } from './time-records.ts';
import { TrapTable } from './traps/trap-table.ts';
import { VcpuTimers } from './vcpu-timers.ts';

/** A registered entry point of the guest kernel; `address` 0 means "not registered". */
export interface Callback {
  cs: number;
  address: number;
}

/** The callbacks of set_callbacks and CALLBACKOP_register (the NMI callback is trap table entry 2, as in Xen). */
export interface Callbacks {
  readonly event: Callback;
  readonly failsafe: Callback;
  readonly sysenter: Callback & { maskEvents: boolean };
  readonly syscall32: Callback & { maskEvents: boolean };
}

const MAX_GDT_FRAMES = 14;
const MAX_LDT_PAGES = 16;
/** evtchn_upcall_pending and evtchn_upcall_mask in the first word of struct vcpu_info. */
const UPCALL_PENDING = 0xff;
const UPCALL_MASK = 0xff00;

/**
 * One virtual CPU: everything Xen keeps for it beside its registers. The registers live in `machine.cpu` while it is
 * the current vCPU (`machine.current`), in `context` otherwise; `machine.withRegisters(vcpu, ...)` hides the difference.
 */
export class Vcpu {
  readonly id: number;
  readonly domain: Domain;
  readonly context: CpuContext;
  readonly mem: GuestMemory;
  /** Handed to every hypercall handler of this vCPU. */
  readonly caller: Caller;
  /** What a kernel in TypeScript sees of this vCPU; made when it is first called. */
  port: GuestPort | null = null;

  /** Has been given registers by the domain builder or VCPUOP_initialise. */
  initialised: boolean = false;
  /** VCPUOP_up / down. */
  online: boolean = false;
  /** Sleeps in SCHEDOP_block or SCHEDOP_poll. */
  blocked: boolean = false;
  /** Waits in the scheduler's run queue. */
  queued: boolean = false;
  /** Ports of the SCHEDOP_poll that this vCPU sleeps in, or null. */
  pollPorts: readonly number[] | null = null;

  readonly traps: TrapTable = new TrapTable();
  readonly callbacks: Callbacks = {
    event: { cs: 0, address: 0 },
    failsafe: { cs: 0, address: 0 },
    sysenter: { cs: 0, address: 0, maskEvents: false },
    syscall32: { cs: 0, address: 0, maskEvents: false },
  };
  nmiPending: boolean = false;
  nmiMasked: boolean = false;

  /** Stack for entries from CPL 2 and 3 (stack_switch). */
  kernelSs: number = 0;
  kernelSp: number = 0;

  /** Frames of the guest's part of the GDT; each holds a PGT_seg_desc type reference. */
  readonly gdtFrames: Int32Array = new Int32Array(MAX_GDT_FRAMES).fill(-1);
  gdtEnts: number = 0;
  ldtBase: number = 0;
  ldtEnts: number = 0;
  /** Frames of LDT pages used so far (-1: not yet); each holds a PGT_seg_desc type reference. */
  readonly ldtFrames: Int32Array = new Int32Array(MAX_LDT_PAGES).fill(-1);

  /** Frame of the top-level page table (PAE: the L3), or 0 before it has one; holds a type reference. */
  rootMfn: number = 0;
  /** Virtual IOPL, 0..3 (PHYSDEVOP_set_iopl, or the guest's EFLAGS with VMASST_TYPE_architectural_iopl). */
  viopl: number = 0;
  /** Linear address of the guest's I/O permission bitmap, 0: none. */
  iobitmapVa: number = 0;
  iobitmapPorts: number = 0;
  /** What the guest sees in CR0 (TS apart: that lives in `machine.cpu.cr0`) and CR4. */
  cr0: number = 0;
  cr4: number = 0;
  /** DR0-3, 6, 7 as the guest reads them (index = register). */
  readonly debugregs: Int32Array = new Int32Array(8);
  /** MSR_MISC_FEATURES_ENABLES bit 0. */
  cpuidFaulting: boolean = false;

  /** Machine address of this vCPU's vcpu_info. */
  infoMaddr: number = -1;
  /** Frame pinned by VCPUOP_register_vcpu_info, or -1 while it is the one in shared_info. */
  infoFrame: number = -1;
  /** Linear address of the secondary time record (VCPUOP_register_vcpu_time_memory_area), 0: none. */
  timeAreaVa: number = 0;
  /** Copies of the time and runstate records by guest-physical address. */
  readonly timeArea: GuestArea = new GuestArea(this);
  readonly runstateArea: GuestArea = new GuestArea(this);
  /** Version field of the time record; even between updates. */
  timeVersion: number = 0;
  /** When the time record was last written, ns. */
  timeUpdatedNs: number = 0;
  readonly runstate: Runstate;
  /** Times that the CPU left this vCPU's guest, and hypercalls that it made, those in a multicall counted one by one. */
  exits: number = 0;
  hypercalls: number = 0;
  readonly timers: VcpuTimers;

  constructor(domain: Domain, id: number) {
    this.domain = domain;
    this.id = id;
    this.context = domain.machine.cpu.createContext();
    this.mem = new VcpuMemory(this);
    this.caller = { machine: domain.machine, domain, vcpu: this, mem: this.mem };
    this.runstate = new Runstate(domain.machine.clock.nowNs());
    this.runstate.onChange = () => {
      updateRunstateArea(this);
      domain.machine.observer?.runstateChanged(this);
    };
    this.timers = new VcpuTimers(this);
    this.infoMaddr = domain.sharedInfo * 4096 + id * VcpuInfo.size;
    this.upcallMask = true;
    updateTimeRecord(this);
  }

  /** Could run now if the scheduler picked it. */
  get runnable(): boolean {
    return this.online && !this.blocked && this.domain.schedulable;
  }

  /** vcpu_info.evtchn_upcall_pending [XEN,GST] */
  get upcallPending(): boolean {
    return this.domain.machine.memory.u8[this.infoMaddr] !== 0;
  }

  set upcallPending(pending: boolean) {
    this.domain.machine.memory.u8[this.infoMaddr] = pending ? 1 : 0;
  }

  /** vcpu_info.evtchn_upcall_mask [XEN,GST] */
  get upcallMask(): boolean {
    return this.domain.machine.memory.u8[this.infoMaddr + 1] !== 0;
  }

  set upcallMask(masked: boolean) {
    this.domain.machine.memory.u8[this.infoMaddr + 1] = masked ? 1 : 0;
  }

  /** A deliverable event is waiting. */
  get eventDeliverable(): boolean {
    const word = this.domain.machine.memory.u32[this.infoMaddr >>> 2];
    return (word & UPCALL_PENDING) !== 0 && (word & UPCALL_MASK) === 0;
  }

  /**
   * Sets upcall_pending and wakes the vCPU, as Xen's vcpu_mark_events_pending does: a vCPU that sleeps wakes even when
   * the upcall is masked. The event itself (pending bit, selector) has been recorded before.
   */
  markEventsPending(): void {
    if (this.upcallPending) return;
    this.upcallPending = true;
    this.domain.machine.scheduler.wake(this);
  }
}
