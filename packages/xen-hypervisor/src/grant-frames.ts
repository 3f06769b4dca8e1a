import type { GrantFrames } from '@domu/grant-table/hypervisor';
import { type FrameTable, PGT_writable_page } from '@domu/shadow-mmu';
import { bug } from './bug.ts';
import type { Domain } from './domain.ts';
import type { Machine } from './machine.ts';

/** What a grant table itself holds of a frame that it shares: the allocation, and a reference. */
const SHARED_FRAME_REFS = 2;

/** Machine memory as the grant tables use it. */
export class MachineGrantFrames implements GrantFrames {
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly u32: Uint32Array;
  readonly #frames: FrameTable;
  readonly #cpu: Machine['cpu'];
  readonly #domains: ReadonlyMap<number, Domain>;

  constructor(machine: Pick<Machine, 'memory' | 'frames' | 'domains' | 'cpu'>) {
    this.u8 = machine.memory.u8;
    const { u8 } = machine.memory;
    this.u16 = new Uint16Array(u8.buffer, u8.byteOffset, u8.length / 2);
    this.u32 = machine.memory.u32;
    this.#frames = machine.frames;
    this.#cpu = machine.cpu;
    this.#domains = machine.domains;
  }

  getPageFromGfn(domid: number, gfn: number): number {
    const mfn = this.#domains.get(domid)?.paging.toMfn(gfn) ?? -1;
    return this.getPage(domid, mfn) ? mfn : -1;
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

  /** Whoever held the frame may have written to it. */
  putWritable(mfn: number): void {
    this.#cpu.memoryChanged(mfn * 4096, 4096);
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

  sharedInUse(mfn: number): boolean {
    return this.#frames.refcount(mfn) > SHARED_FRAME_REFS;
  }

  steal(domid: number, gfn: number): number {
    return Math.max(-1, this.#domains.get(domid)?.paging.stealFrame(gfn) ?? -1);
  }

  allocStolen(): number {
    return this.#frames.allocXen();
  }

  dropStolen(mfn: number): void {
    this.#frames.freeXen(mfn);
  }

  /** The host domain has no memory that could grow. */
  hasRoom(domid: number): boolean {
    const domain = this.#domains.get(domid);
    return domain !== undefined && domain.totPages < domain.maxPages;
  }

  giveStolen(mfn: number, domid: number, gfn: number): number {
    const { paging } = this.#domains.get(domid) ?? bug(`a frame for domain ${domid}, which is not there`);
    this.#frames.giveTo(mfn, domid);
    paging.addFrame(gfn, mfn);
    return mfn;
  }

  ownerOf(mfn: number): number {
    if (!this.#frames.isValid(mfn)) return -2;
    const owner = this.#frames.owner(mfn);
    return this.#domains.has(owner) ? owner : -1;
  }
}
