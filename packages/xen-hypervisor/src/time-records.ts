import { SharedInfo, VcpuInfo, VcpuTimeInfo } from '@domu/xen-abi';
import type { Domain } from './domain.ts';
import type { Vcpu } from './vcpu.ts';

/** The TSC counts nanoseconds of machine time. */
export const TSC_KHZ = 1_000_000;

/** How a TSC difference becomes nanoseconds: ((delta << shift) * mul) >> 32. */
export interface TimeScale {
  readonly tscKhz: number;
  readonly mul: number;
  readonly shift: number;
}

/**
 * @returns the scale of a TSC of `tscKhz`, with the top bit of `mul` set so that no precision is lost
 * Source: xen/arch/x86/time.c set_time_scale @ RELEASE-4.18.0
 */
export function timeScale(tscKhz: number): TimeScale {
  let nsPerTick = 1e6 / tscKhz;
  let shift = 0;
  while (nsPerTick >= 1) {
    nsPerTick /= 2;
    shift++;
  }
  while (nsPerTick < 0.5) {
    nsPerTick *= 2;
    shift--;
  }
  return { tscKhz, mul: Math.floor(nsPerTick * 2 ** 32), shift };
}

/** Refresh interval of the time records, as Xen's platform timer calibration has it. */
export const TIME_REFRESH_NS = 1_000_000_000;

/**
 * Writes a vCPU's time record (and its copy, if registered): the TSC, the system time at that TSC, and the scale.
 * The version is odd while the fields change and differs afterwards.
 * Source: xen/arch/x86/time.c __update_vcpu_system_time @ RELEASE-4.18.0
 */
export function updateTimeRecord(vcpu: Vcpu): void {
  const { machine } = vcpu.domain;
  const record = new DataView(new ArrayBuffer(VcpuTimeInfo.size));
  const now = machine.clock.nowNs();
  vcpu.timeUpdatedNs = now;
  vcpu.timeVersion = (vcpu.timeVersion + 2) >>> 0;
  VcpuTimeInfo.version.set(record, 0, vcpu.timeVersion);
  VcpuTimeInfo.tsc_timestamp.setNumber(record, 0, now);
  VcpuTimeInfo.system_time.setNumber(record, 0, now);
  VcpuTimeInfo.tsc_to_system_mul.set(record, 0, machine.timeScale.mul);
  VcpuTimeInfo.tsc_shift.set(record, 0, machine.timeScale.shift);
  machine.memory.u8.set(new Uint8Array(record.buffer), vcpu.infoMaddr + VcpuInfo.time.offset);
  if (vcpu.timeAreaVa !== 0) vcpu.mem.writeView(vcpu.timeAreaVa, record);
  vcpu.timeArea.write(record);
}

/** Writes the wall clock at system time 0 into shared_info. */
export function updateWallClock(domain: Domain): void {
  const { machine } = domain;
  const { view } = machine.memory;
  const base = domain.sharedInfo * 4096;
  const { seconds, nanoseconds } = machine.clock.wallAtStart;
  const version = SharedInfo.wc_version.get(view, base);
  SharedInfo.wc_version.set(view, base, version + 1);
  SharedInfo.wc_sec.set(view, base, seconds);
  SharedInfo.wc_nsec.set(view, base, nanoseconds);
  SharedInfo.arch.wc_sec_hi.set(view, base, Math.floor(seconds / 2 ** 32));
  SharedInfo.wc_version.set(view, base, version + 2);
}

/**
 * Brings the guest's copies of a vCPU's runstate up to date. No vCPU runs meanwhile, so nobody ever sees
 * the bit that VMASST_TYPE_runstate_update_flag would set during the update.
 */
export function updateRunstateArea(vcpu: Vcpu): void {
  const { areaVa } = vcpu.runstate;
  if (areaVa === 0 && !vcpu.runstateArea.registered) return;
  // As Xen keeps it: without the time since the last change.
  const record = vcpu.runstate.encode(vcpu.runstate.entryNs);
  if (areaVa !== 0) vcpu.mem.writeView(areaVa, record);
  vcpu.runstateArea.write(record);
}
