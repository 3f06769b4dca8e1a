import { INVALID_M2P_ENTRY } from '@domu/xen-abi';
import { bug } from './bug.ts';
import type { FrameTable } from './frame-table.ts';

const ENTRIES_PER_FRAME = 1024;

/**
 * The machine-to-phys table: for each machine frame the number that its owner gave it. It lies in frames of Xen's own, in a
 * row, which every domain sees read-only at the start of the hypervisor's window.
 */
export class M2P {
  readonly #u32: Uint32Array;
  /** First of the table's frames. */
  readonly firstMfn: number;
  readonly nrFrames: number;

  /** Takes the table's frames and keeps the entries of frames that become free invalid. */
  constructor(frames: FrameTable) {
    this.nrFrames = Math.ceil(frames.nrFrames / ENTRIES_PER_FRAME);
    this.firstMfn = frames.allocXen(this.nrFrames);
    if (this.firstMfn < 0) bug('no room for the machine-to-phys table');
    const start = this.firstMfn * ENTRIES_PER_FRAME;
    this.#u32 = frames.memory.u32.subarray(start, start + this.nrFrames * ENTRIES_PER_FRAME);
    this.#u32.fill(INVALID_M2P_ENTRY);
    frames.onFree = (mfn) => this.set(mfn, INVALID_M2P_ENTRY);
  }

  /** @returns the pfn of a machine frame, or INVALID_M2P_ENTRY */
  get(mfn: number): number {
    return this.#u32[mfn] ?? INVALID_M2P_ENTRY;
  }

  set(mfn: number, pfn: number): void {
    this.#u32[mfn] = pfn;
  }
}
