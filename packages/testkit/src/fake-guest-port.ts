import type { GuestFault, GuestPort, GuestRegisters, LinearAddr } from '@domu/xen-abi';

/** Answers a hypercall: what eax would hold, as a signed number. */
export type HypercallHandler = (nr: number, ...args: number[]) => number;

/**
 * A guest kernel's door onto plain memory, mapped one to one from address 0; accesses beyond it fault. Hypercalls go to
 * the test.
 */
export class FakeGuestPort implements GuestPort {
  readonly regs: GuestRegisters = {} as GuestRegisters;
  readonly fault: GuestFault = { address: 0 as LinearAddr, errorCode: 2 };
  readonly memory: Uint8Array;
  readonly #view: DataView;
  readonly #onHypercall: HypercallHandler;

  constructor(memory: Uint8Array, onHypercall: HypercallHandler = () => 0) {
    this.memory = memory;
    this.#view = new DataView(memory.buffer, memory.byteOffset, memory.byteLength);
    this.#onHypercall = onHypercall;
  }

  read8(va: number): number {
    return this.#holds(va, 1) ? this.#view.getUint8(va) : -1;
  }

  read16(va: number): number {
    return this.#holds(va, 2) ? this.#view.getUint16(va, true) : -1;
  }

  read32(va: number): number {
    return this.#holds(va, 4) ? this.#view.getUint32(va, true) : -1;
  }

  write8(va: number, value: number): boolean {
    if (this.#holds(va, 1)) this.#view.setUint8(va, value);
    return this.#holds(va, 1);
  }

  write16(va: number, value: number): boolean {
    if (this.#holds(va, 2)) this.#view.setUint16(va, value, true);
    return this.#holds(va, 2);
  }

  write32(va: number, value: number): boolean {
    if (this.#holds(va, 4)) this.#view.setUint32(va, value, true);
    return this.#holds(va, 4);
  }

  readBytes(va: number, into: Uint8Array): boolean {
    if (!this.#holds(va, into.length)) return false;
    into.set(this.memory.subarray(va, va + into.length));
    return true;
  }

  writeBytes(va: number, from: Uint8Array): boolean {
    if (!this.#holds(va, from.length)) return false;
    this.memory.set(from, va);
    return true;
  }

  compareExchange32(va: number, expected: number, value: number): number {
    const found = this.read32(va);
    if (found >= 0 && found === expected) this.write32(va, value);
    return found;
  }

  hypercall(nr: number, ...args: number[]): number {
    return this.#onHypercall(nr, ...args);
  }

  #holds(va: number, lengthBytes: number): boolean {
    return va >= 0 && va + lengthBytes <= this.memory.length;
  }
}
