import { Access } from '@domu/x86-cpu';
import type { GuestMemory } from './guest-memory.ts';
import type { Vcpu } from './vcpu.ts';

const PAGE_SIZE = 4096;
const PAGE_MASK = ~0xfff;
/** Up to here a loop is faster than making views. */
const SMALL_BYTES = 64;

/** GuestMemory of one vCPU, through its domain's page tables; works whether or not the vCPU is the current one. */
export class VcpuMemory implements GuestMemory {
  readonly #vcpu: Vcpu;

  constructor(vcpu: Vcpu) {
    this.#vcpu = vcpu;
  }

  accessOk(va: number, length: number): boolean {
    return (va >>> 0) + length <= this.#vcpu.domain.hypervisorVirtStart;
  }

  maddr(va: number, options: { write: boolean }): number {
    return this.#maddr(va, options.write ? Access.Write : Access.Read);
  }

  #maddr(va: number, access: Access): number {
    const { domain, rootMfn } = this.#vcpu;
    const page = domain.paging.translate(rootMfn, va >>> 0, access, false);
    return page < 0 ? -1 : (page & PAGE_MASK) + (va & 0xfff);
  }

  read(va: number, length: number): Uint8Array | null {
    const bytes = new Uint8Array(length);
    return this.readInto(va, bytes) ? bytes : null;
  }

  readInto(va: number, into: Uint8Array): boolean {
    const { length } = into;
    // Requests of hypercalls are small, come by the hundred thousand, and hardly ever cross a page.
    if (length > SMALL_BYTES || (va & 0xfff) + length > PAGE_SIZE) return this.#copy(va, into, Access.Read);
    if (!this.accessOk(va, length)) return false;
    const at = this.#maddr(va, Access.Read);
    if (at < 0) return false;
    const { u8 } = this.#vcpu.domain.machine.memory;
    for (let i = 0; i < length; i++) into[i] = u8[at + i];
    return true;
  }

  readView(va: number, length: number): DataView | null {
    const bytes = this.read(va, length);
    return bytes === null ? null : new DataView(bytes.buffer);
  }

  write(va: number, bytes: Uint8Array): boolean {
    return this.#copy(va, bytes, Access.Write);
  }

  writeView(va: number, view: DataView): boolean {
    return this.write(va, new Uint8Array(view.buffer, view.byteOffset, view.byteLength));
  }

  readU8(va: number): number {
    return this.#readSmall(va, 1);
  }

  readU16(va: number): number {
    return this.#readSmall(va, 2);
  }

  readU32(va: number): number {
    return this.#readSmall(va, 4);
  }

  writeU8(va: number, value: number): boolean {
    return this.write(va, Uint8Array.of(value));
  }

  writeU16(va: number, value: number): boolean {
    return this.write(va, Uint8Array.of(value, value >>> 8));
  }

  writeU32(va: number, value: number): boolean {
    return this.write(va, Uint8Array.of(value, value >>> 8, value >>> 16, value >>> 24));
  }

  writeU64(va: number, lo: number, hi: number): boolean {
    return this.writeU32(va, lo) && this.writeU32(va + 4, hi);
  }

  #readSmall(va: number, length: 1 | 2 | 4): number {
    if (!this.accessOk(va, length)) return -1;
    if ((va & 0xfff) + length <= PAGE_SIZE) {
      const at = this.#maddr(va, Access.Read);
      if (at < 0) return -1;
      const { view } = this.#vcpu.domain.machine.memory;
      if (length === 4) return view.getUint32(at, true);
      return length === 2 ? view.getUint16(at, true) : view.getUint8(at);
    }
    const bytes = this.read(va, length);
    if (bytes === null) return -1;
    return bytes.reduceRight((value, byte) => value * 256 + byte, 0);
  }

  #copy(va: number, bytes: Uint8Array, access: Access): boolean {
    if (!this.accessOk(va, bytes.length)) return false;
    const { memory, cpu } = this.#vcpu.domain.machine;
    const { u8 } = memory;
    for (let done = 0; done < bytes.length; ) {
      const at = this.#maddr(va + done, access);
      if (at < 0) return false;
      const length = Math.min(bytes.length - done, PAGE_SIZE - (at & 0xfff));
      if (access === Access.Write) {
        u8.set(bytes.subarray(done, done + length), at);
        cpu.memoryChanged(at, length);
      } else bytes.set(u8.subarray(at, at + length), done);
      done += length;
    }
    return true;
  }
}
