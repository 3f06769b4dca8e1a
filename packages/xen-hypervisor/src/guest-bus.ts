import { Access, type CpuBus, PAGE_WRITABLE } from '@domu/x86-cpu';
import { FIRST_RESERVED_GDT_ENTRY } from '@domu/xen-abi';
import { bug } from './bug.ts';
import type { Machine } from './machine.ts';
import { DESCRIPTORS_PER_FRAME, reservedDescriptorHigh } from './selectors.ts';
import { guestCpuid } from './traps/cpuid.ts';
import type { Vcpu } from './vcpu.ts';

const SELECTOR_TI = 4;
/** Bit of the high word that the CPU sets when it loads a segment. */
const DESCRIPTOR_ACCESSED = 0x100;
const NO_TABLE = 1;
/** Answers of descriptorAddress. */
const DESCRIPTOR_IS_CONSTANT = -1;
const DESCRIPTOR_UNKNOWN = -2;

/** The world as the current vCPU's instructions see it. */
export class GuestBus implements CpuBus {
  readonly #machine: Machine;
  #redirectedPage = -1;
  #redirectedMfn = -1;

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  /** Shows frame `mfn`, writable, in place of the page at `linear`; -1 ends that. */
  redirect(linear: number, mfn: number): void {
    this.#redirectedPage = mfn < 0 ? -1 : linear >>> 12;
    this.#redirectedMfn = mfn;
    this.#machine.cpu.invlpg(linear);
  }

  translate(linear: number, access: number, user: boolean): number {
    if (linear >>> 12 === this.#redirectedPage) return this.#redirectedMfn * 4096 + PAGE_WRITABLE;
    const vcpu = this.#current();
    return vcpu.domain.paging.translate(vcpu.rootMfn, linear >>> 0, access, user);
  }

  readDescriptor(selector: number, out: Uint32Array): number {
    const index = (selector & 0xffff) >>> 3;
    if ((selector & SELECTOR_TI) === 0 && index >= FIRST_RESERVED_GDT_ENTRY) {
      out[1] = reservedDescriptorHigh(index);
      out[0] = out[1] === 0 ? 0 : 0xffff;
      return 0;
    }
    const at = this.#descriptorMaddr(selector, out);
    if (at === NO_TABLE || at < 0) return at;
    const { u32 } = this.#machine.memory;
    out[0] = u32[at >>> 2];
    out[1] = u32[(at >>> 2) + 1];
    return 0;
  }

  setAccessed(selector: number): void {
    const index = (selector & 0xffff) >>> 3;
    if ((selector & SELECTOR_TI) === 0 && index >= FIRST_RESERVED_GDT_ENTRY) return;
    const at = this.#descriptorMaddr(selector, this.#machine.scratchDescriptor);
    if (at === NO_TABLE || at < 0) return;
    this.#machine.memory.u32[(at >>> 2) + 1] |= DESCRIPTOR_ACCESSED;
  }

  descriptorAddress(selector: number): number {
    const index = (selector & 0xffff) >>> 3;
    if ((selector & SELECTOR_TI) === 0 && index >= FIRST_RESERVED_GDT_ENTRY) return DESCRIPTOR_IS_CONSTANT;
    const at = this.#descriptorMaddr(selector, this.#machine.scratchDescriptor);
    return at === NO_TABLE || at < 0 ? DESCRIPTOR_UNKNOWN : at;
  }

  cpuid(leaf: number, subleaf: number, out: Uint32Array): boolean {
    const vcpu = this.#current();
    if (vcpu.cpuidFaulting && this.#machine.cpu.cpl === 3) return false;
    guestCpuid(vcpu, leaf >>> 0, subleaf >>> 0, out);
    return true;
  }

  rdtsc(): number {
    return this.#machine.clock.nowNs();
  }

  /** @returns machine address (8-aligned), NO_TABLE beyond the limit, or -1 - page-fault code with the address in out[0] */
  #descriptorMaddr(selector: number, out: Uint32Array): number {
    const vcpu = this.#current();
    const index = (selector & 0xffff) >>> 3;
    if ((selector & SELECTOR_TI) !== 0) return this.#ldtMaddr(vcpu, index, out);
    if (index >= vcpu.gdtEnts) return NO_TABLE;
    const mfn = vcpu.gdtFrames[Math.floor(index / DESCRIPTORS_PER_FRAME)];
    return mfn * 4096 + (index % DESCRIPTORS_PER_FRAME) * 8;
  }

  /** LDT pages are taken when they are first used, and only if nothing maps them writable. */
  #ldtMaddr(vcpu: Vcpu, index: number, out: Uint32Array): number {
    if (index >= vcpu.ldtEnts) return NO_TABLE;
    const page = Math.floor(index / DESCRIPTORS_PER_FRAME);
    const linear = (vcpu.ldtBase + index * 8) >>> 0;
    if (vcpu.ldtFrames[page] < 0) {
      const { paging } = vcpu.domain;
      const at = paging.translate(vcpu.rootMfn, linear, Access.Read, false);
      const mfn = at < 0 ? -1 : at >>> 12;
      if (mfn < 0 || paging.getSegDescFrame(mfn) !== 0) {
        out[0] = linear;
        return -1;
      }
      vcpu.ldtFrames[page] = mfn;
    }
    return vcpu.ldtFrames[page] * 4096 + (index % DESCRIPTORS_PER_FRAME) * 8;
  }

  #current(): Vcpu {
    return this.#machine.current ?? bug('the CPU runs without a vCPU');
  }
}
