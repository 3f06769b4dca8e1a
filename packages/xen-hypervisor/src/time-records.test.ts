import {
  __HYPERVISOR_vcpu_op,
  RUNSTATE_blocked,
  RUNSTATE_offline,
  RUNSTATE_running,
  SharedInfo,
  VCPUOP_register_runstate_memory_area,
  VcpuInfo,
} from '@domu/xen-abi';
import { describe, expect, it } from 'vitest';
import { Runstate } from './runstate.ts';
import { CallingGuest, DATA, TestGuest } from './testing.ts';
import { timeScale, updateTimeRecord } from './time-records.ts';

/** What a guest computes. */
const toNs = (ticks: number, { mul, shift }: { mul: number; shift: number }): number =>
  Number((BigInt(Math.floor(ticks * 2 ** shift)) * BigInt(mul)) >> 32n);

describe('timeScale', () => {
  it.each([1_000_000, 2_400_000, 33_000, 3_999_999])('a second of ticks at %i kHz is a second', (khz) => {
    const scale = timeScale(khz);
    expect(scale.mul).toBeGreaterThanOrEqual(2 ** 31);
    expect(scale.mul).toBeLessThan(2 ** 32);
    expect(Math.abs(toNs(khz * 1000, scale) - 1e9)).toBeLessThan(10);
  });

  it('the TSC of a machine counts nanoseconds exactly', () => {
    expect(toNs(123_456_789, timeScale(1_000_000))).toBe(123_456_789);
  });
});

describe('time records', () => {
  it('a vCPU has a valid record and masked upcalls before it runs; an update changes the version and leaves it even', () => {
    const guest = new TestGuest();
    const { view } = guest.machine.memory;
    const { version, tsc_timestamp: tsc, system_time: time } = VcpuInfo.time;
    const before = version.get(view, guest.vcpu.infoMaddr);
    expect([before > 0, before & 1, guest.vcpu.upcallMask]).toEqual([true, 0, true]);
    guest.machine.clock.skipTo(5000);
    updateTimeRecord(guest.vcpu);
    expect(version.get(view, guest.vcpu.infoMaddr)).toBe(before + 2);
    expect([tsc, time].map((f) => f.getNumber(view, guest.vcpu.infoMaddr))).toEqual([5000, 5000]);
  });

  it('shared_info holds the wall clock at system time 0', () => {
    const guest = new TestGuest();
    const { view } = guest.machine.memory;
    const base = guest.domain.sharedInfo * 4096;
    expect(SharedInfo.wc_sec.get(view, base)).toBe(guest.machine.clock.wallAtStart.seconds);
    expect(SharedInfo.wc_version.get(view, base)).toBe(2);
  });
});

describe('runstate', () => {
  it('accounts time to the state that was left, and the record includes the present one', () => {
    const runstate = new Runstate(0);
    runstate.change(10, RUNSTATE_running);
    runstate.change(30, RUNSTATE_blocked);
    runstate.change(30, RUNSTATE_blocked);
    expect(runstate.timeNs[RUNSTATE_offline]).toBe(10);
    const record = runstate.encode(100);
    expect(record.getInt32(0, true)).toBe(RUNSTATE_blocked);
    expect(Number(record.getBigUint64(4, true))).toBe(30);
    expect([0, 1, 2, 3].map((i) => Number(record.getBigUint64(12 + 8 * i, true)))).toEqual([20, 0, 70, 10]);
  });

  it("the guest's copy leaves out the time since the last change, so its fields add up to the time of that change", () => {
    const guest = new CallingGuest();
    guest.machine.clock.skipTo(5000);
    const { runstate } = guest.vcpu;
    guest.writeWords([DATA + 64]);
    expect(guest.call(__HYPERVISOR_vcpu_op, VCPUOP_register_runstate_memory_area, 0, DATA)).toBe(0);
    const words = guest.readWords(11, DATA + 64);
    expect(words[1]).toBe(runstate.entryNs);
    expect(words[3] + words[5] + words[7] + words[9]).toBe(runstate.timeNs.reduce((sum, ns) => sum + ns, 0));
  });
});
