import { RUNSTATE_offline, VcpuRunstateInfo } from '@domu/xen-abi';

/** Accounts the time a vCPU spends in each state (struct vcpu_runstate_info). */
export class Runstate {
  state: number = RUNSTATE_offline;
  entryNs: number;
  /** Nanoseconds spent in each state, the current one not included. */
  readonly timeNs: number[] = [0, 0, 0, 0];
  /** Linear address of the guest's copy (VCPUOP_register_runstate_memory_area), 0: none. */
  areaVa: number = 0;
  /** Told after every change, so that the guest's copy can be refreshed. */
  onChange: (() => void) | null = null;
  readonly #record: DataView = new DataView(new ArrayBuffer(VcpuRunstateInfo.size));

  constructor(nowNs: number) {
    this.entryNs = nowNs;
  }

  /** @param nowNs may lie a little before the last change, when the caller has looked at the clock before it: no time passes */
  change(nowNs: number, state: number): void {
    if (state === this.state) return;
    const elapsed = Math.max(0, nowNs - this.entryNs);
    this.timeNs[this.state] += elapsed;
    this.entryNs += elapsed;
    this.state = state;
    this.onChange?.();
  }

  /** struct vcpu_runstate_info for the guest, the time in the present state brought up to `nowNs`; to be copied at once. */
  encode(nowNs: number): DataView {
    const view = this.#record;
    VcpuRunstateInfo.state.set(view, 0, this.state);
    VcpuRunstateInfo.state_entry_time.setNumber(view, 0, this.entryNs);
    for (let i = 0; i < 4; i++) {
      const extra = i === this.state ? nowNs - this.entryNs : 0;
      VcpuRunstateInfo.time.setNumber(view, 0, i, this.timeNs[i] + extra);
    }
    return view;
  }
}
