import { XEN_EACCES, XEN_EINVAL, XEN_ENXIO } from '@domu/xen-abi';
import type { Vcpu } from './vcpu.ts';

const PAGE_BYTES = 4096;
const ALIGNMENT = 4; // of xen_ulong_t, for a 32-bit guest
/** All bits set: no area. */
const NO_ADDRESS = 2 ** 64;

/**
 * A record that Xen keeps up to date in a guest's memory, found by guest-physical address: unlike one that is found by
 * linear address it can be written whatever page tables are in use.
 * Source: xen/common/domain.c, "map_guest_area" @ RELEASE-4.18.0
 */
export class GuestArea {
  readonly #vcpu: Vcpu;
  /** Frame held for writing, or -1. */
  #mfn = -1;
  #offset = 0;

  constructor(vcpu: Vcpu) {
    this.#vcpu = vcpu;
  }

  get registered(): boolean {
    return this.#mfn >= 0;
  }

  /** Frame held for writing, or -1. */
  get mfn(): number {
    return this.#mfn;
  }

  /**
   * Moves the area; the former place is let go of.
   * @param address guest-physical (direct paging: machine) address; all bits set: nowhere. u64 as a number
   * @returns 0; -ENXIO not aligned, or not within one page; -EINVAL not the domain's; -EACCES a page table or the like
   */
  register(address: number, lengthBytes: number): number {
    if (address >= NO_ADDRESS) {
      this.release();
      return 0;
    }
    const offset = address % PAGE_BYTES;
    if (offset + lengthBytes > PAGE_BYTES || offset % ALIGNMENT !== 0) return -XEN_ENXIO;
    const { machine, paging, id } = this.#vcpu.domain;
    const mfn = paging.toMfn(Math.floor(address / PAGE_BYTES));
    if (!machine.frames.getPage(mfn, id)) return -XEN_EINVAL;
    const rc = paging.getWritableFrame(mfn);
    machine.frames.putPage(mfn);
    if (rc !== 0) return -XEN_EACCES;
    this.release();
    this.#mfn = mfn;
    this.#offset = offset;
    return 0;
  }

  write(record: DataView): void {
    if (this.#mfn < 0) return;
    const { memory, cpu } = this.#vcpu.domain.machine;
    const at = this.#mfn * PAGE_BYTES + this.#offset;
    memory.u8.set(new Uint8Array(record.buffer, record.byteOffset, record.byteLength), at);
    cpu.memoryChanged(at, record.byteLength);
  }

  release(): void {
    if (this.#mfn >= 0) this.#vcpu.domain.paging.putWritableFrame(this.#mfn);
    this.#mfn = -1;
  }
}
