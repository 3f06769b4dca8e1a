/** What time it is, from what Xen tells, and when to be woken. */
import {
  __HYPERVISOR_set_timer_op,
  __HYPERVISOR_vcpu_op,
  SharedInfo,
  VCPUOP_get_runstate_info,
  VCPUOP_register_runstate_memory_area,
  VcpuInfo,
  VcpuRunstateInfo,
  VcpuTimeInfo,
} from '@domu/xen-abi';
import { RUNSTATE_AREA, SCRATCH } from '../boot/layout.ts';
import type { Ram } from '../mm/ram.ts';
import type { VdsoRecord } from './vdso-image.ts';

const NS_PER_SECOND = 1_000_000_000n;

/**
 * CLOCK_MONOTONIC is Xen's system time. A kernel outside of the instruction stream cannot read the TSC, but asks Xen how
 * long the vCPU has been in each state: these times add up to the time since the vCPU was made.
 */
export class Clock {
  readonly #ram: Ram;
  readonly #sharedInfo: number;
  readonly #info: Uint8Array = new Uint8Array(VcpuRunstateInfo.size);
  readonly #view: DataView = new DataView(this.#info.buffer);
  /** System time when the vCPU was made. */
  #origin = 0n;
  #now = -1n;
  /** What settimeofday added. */
  #realtimeOffset = 0n;
  /** Called after the time of day has been set. */
  onRealtimeSet: () => void = () => {};

  /** @param sharedInfo linear address of struct shared_info */
  constructor(ram: Ram, sharedInfo: number) {
    this.#ram = ram;
    this.#sharedInfo = sharedInfo;
    ram.write32(SCRATCH, RUNSTATE_AREA);
    const rc = ram.port.hypercall(__HYPERVISOR_vcpu_op, VCPUOP_register_runstate_memory_area, 0, SCRATCH);
    if (rc !== 0) throw new Error(`no runstate area: ${rc}`);
    // The record that Xen keeps leaves out the present state's time, so it is of the moment of the last change.
    ram.read(RUNSTATE_AREA, this.#info);
    this.#origin = this.#u64(VcpuRunstateInfo.state_entry_time.offset) - this.#total();
  }

  /** Nanoseconds of CLOCK_MONOTONIC. Time stands still from one {@link moveOn} to the next. */
  now(): bigint {
    if (this.#now >= 0n) return this.#now;
    const { port } = this.#ram;
    const rc = port.hypercall(__HYPERVISOR_vcpu_op, VCPUOP_get_runstate_info, 0, SCRATCH);
    if (rc !== 0) throw new Error(`no runstate: ${rc}`);
    this.#ram.read(SCRATCH, this.#info);
    this.#now = this.#origin + this.#total();
    return this.#now;
  }

  /** The guest has run since: `now` asks again. */
  moveOn(): void {
    this.#now = -1n;
  }

  /** Nanoseconds since 1970. */
  realtime(): bigint {
    return this.now() + this.#wallClock() + this.#realtimeOffset;
  }

  setRealtime(time: bigint): void {
    this.#realtimeOffset += time - this.realtime();
    this.onRealtimeSet();
  }

  /** How the TSC tells the time, from the record that Xen keeps. */
  timeRecord(): Omit<VdsoRecord, 'sequence'> {
    const bytes = new Uint8Array(VcpuTimeInfo.size);
    this.#ram.read(this.#sharedInfo + VcpuInfo.time.offset, bytes);
    const view = new DataView(bytes.buffer);
    const monotonic = VcpuTimeInfo.system_time.get(view, 0);
    return {
      tsc: VcpuTimeInfo.tsc_timestamp.get(view, 0),
      monotonic,
      realtime: monotonic + this.#wallClock() + this.#realtimeOffset,
      mul: VcpuTimeInfo.tsc_to_system_mul.get(view, 0),
      shift: VcpuTimeInfo.tsc_shift.get(view, 0),
    };
  }

  /** Asks for an event at `deadline`, or for none. */
  wakeAt(deadline: bigint | null): void {
    const at = deadline ?? 0n;
    const low = Number(at & 0xffff_ffffn);
    this.#ram.port.hypercall(__HYPERVISOR_set_timer_op, low, Number((at >> 32n) & 0xffff_ffffn));
  }

  /** Wall-clock time at system time 0. */
  #wallClock(): bigint {
    const at = (field: { readonly offset: number }): number =>
      this.#ram.read32(this.#sharedInfo + field.offset);
    for (;;) {
      const version = at(SharedInfo.wc_version);
      const seconds = at(SharedInfo.wc_sec);
      const ns = at(SharedInfo.wc_nsec);
      if ((version & 1) === 0 && version === at(SharedInfo.wc_version))
        return BigInt(seconds) * NS_PER_SECOND + BigInt(ns);
    }
  }

  #total(): bigint {
    let total = 0n;
    for (let i = 0; i < 4; i++) total += this.#u64(VcpuRunstateInfo.time.offset + 8 * i);
    return total;
  }

  #u64(offset: number): bigint {
    return this.#view.getBigUint64(offset, true);
  }
}
