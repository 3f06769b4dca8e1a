import type { GrantFrames, GrantMapper } from '@domu/grant-table/hypervisor';
import { type FrameTable, type GrantMapping, type MachineMemory, PGT_writable_page } from '@domu/shadow-mmu';
import {
  GNTMAP_application_map,
  GNTMAP_contains_pte,
  GNTMAP_readonly,
  GNTST_general_error,
  GNTST_okay,
} from '@domu/xen-abi';
import type { Vcpu } from './vcpu.ts';

/** GNTMAP_guest_avail0 is bit 16: three bits that go into the entry's AVL field. */
const GUEST_AVAIL_SHIFT = 16;

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

/** The page tables of a vCPU that maps and unmaps grants. */
export class VcpuGrantMapper implements GrantMapper {
  readonly #vcpu: Vcpu;

  constructor(vcpu: Vcpu) {
    this.#vcpu = vcpu;
  }

  map(hostAddr: number, mfn: number, flags: number): number {
    const { paging, machine } = this.#vcpu.domain;
    const ok = paging.mapGrant({
      ...this.#place(hostAddr, mfn, flags),
      owner: machine.frames.owner(mfn),
      applicationMap: (flags & GNTMAP_application_map) !== 0,
      availBits: (flags >>> GUEST_AVAIL_SHIFT) & 7,
    });
    return ok ? GNTST_okay : GNTST_general_error;
  }

  replace(hostAddr: number, mfn: number, newAddr: number, flags: number): number {
    if (newAddr > 0xffff_ffff) return GNTST_general_error;
    const ok = this.#vcpu.domain.paging.unmapGrant(this.#place(hostAddr, mfn, flags), newAddr);
    return ok ? GNTST_okay : GNTST_general_error;
  }

  #place(hostAddr: number, mfn: number, flags: number): GrantMapping {
    return {
      root: this.#vcpu.rootMfn,
      hostAddrLo: hostAddr % 2 ** 32,
      hostAddrHi: Math.floor(hostAddr / 2 ** 32),
      containsPte: (flags & GNTMAP_contains_pte) !== 0,
      readonly: (flags & GNTMAP_readonly) !== 0,
      frame: mfn,
    };
  }
}
