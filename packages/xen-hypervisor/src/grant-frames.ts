import type { GrantFrames } from '@domu/grant-table/hypervisor';
import { type FrameTable, type MachineMemory, PGT_writable_page } from '@domu/shadow-mmu';

/** Machine memory as the grant tables use it. */
export class MachineGrantFrames implements GrantFrames {
  readonly u8: Uint8Array;
  readonly u32: Uint32Array;
  readonly #frames: FrameTable;

  constructor(memory: MachineMemory, frames: FrameTable) {
    this.u8 = memory.u8;
    this.u32 = memory.u32;
    this.#frames = frames;
  }

  /** In direct paging a guest's frame numbers are machine frame numbers. */
  getPageFromGfn(domid: number, gfn: number): number {
    return this.getPage(domid, gfn) ? gfn : -1;
  }

  getPage(domid: number, mfn: number): boolean {
    return this.#frames.getPage(mfn, domid);
  }

  putPage(mfn: number): void {
    this.#frames.putPage(mfn);
  }

  getWritable(mfn: number): boolean {
    return this.#frames.getPageType(mfn, PGT_writable_page) === 0;
  }

  putWritable(mfn: number): void {
    this.#frames.putPageType(mfn);
  }

  /** The table holds a reference of its own: while others hold its grants it outlives the domain's memory. */
  allocShared(domid: number): number {
    const mfn = this.#frames.allocXen();
    if (mfn < 0) return -1;
    this.#frames.shareXenFrame(mfn, domid);
    this.#frames.getPage(mfn, domid);
    return mfn;
  }

  freeShared(mfn: number): void {
    this.#frames.putAllocRef(mfn);
    this.#frames.putPage(mfn);
  }
}
