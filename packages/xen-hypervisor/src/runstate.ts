/** Source: xen/include/public/vcpu.h */
export const RUNSTATE_running: number = 0;
export const RUNSTATE_runnable: number = 1;
export const RUNSTATE_blocked: number = 2;
export const RUNSTATE_offline: number = 3;

/** sizeof(struct vcpu_runstate_info) for an i386 guest. */
export const RUNSTATE_BYTES = 44;

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

  constructor(nowNs: number) {
    this.entryNs = nowNs;
  }

  change(nowNs: number, state: number): void {
    if (state === this.state) return;
    this.timeNs[this.state] += nowNs - this.entryNs;
    this.entryNs = nowNs;
    this.state = state;
    this.onChange?.();
  }

  /** The 44-byte record for the guest, the running state's time brought up to `nowNs`. */
  encode(nowNs: number): DataView {
    const view = new DataView(new ArrayBuffer(RUNSTATE_BYTES));
    view.setUint32(0, this.state, true);
    setU64(view, 4, this.entryNs);
    for (let i = 0; i < 4; i++) {
      const extra = i === this.state ? nowNs - this.entryNs : 0;
      setU64(view, 12 + 8 * i, this.timeNs[i] + extra);
    }
    return view;
  }
}

const setU64 = (view: DataView, offset: number, value: number): void => {
  view.setUint32(offset, value >>> 0, true);
  view.setUint32(offset + 4, Math.floor(value / 2 ** 32), true);
};
