import { GuestMemoryBug, type GuestPort, kernelRead32, kernelWrite32, type LinearAddr } from '@domu/xen-abi';

/** The ring page as the client reaches it; all offsets are bytes from its start. */
export interface RingMemory {
  read32(offset: number): number;
  write32(offset: number, value: number): void;
  /** Copies [offset, offset + into.length) out of the page. */
  read(offset: number, into: Uint8Array): void;
  write(offset: number, from: Uint8Array): void;
}

/** A ring page that is at hand as bytes. */
export class RingBytes implements RingMemory {
  readonly #page: Uint8Array;
  readonly #view: DataView;

  /** @param page 4096 bytes */
  constructor(page: Uint8Array) {
    this.#page = page;
    this.#view = new DataView(page.buffer, page.byteOffset, page.byteLength);
  }

  read32(offset: number): number {
    return this.#view.getUint32(offset, true);
  }

  write32(offset: number, value: number): void {
    this.#view.setUint32(offset, value, true);
  }

  read(offset: number, into: Uint8Array): void {
    into.set(this.#page.subarray(offset, offset + into.length));
  }

  write(offset: number, from: Uint8Array): void {
    this.#page.set(from, offset);
  }
}

/** A ring page that a guest kernel has mapped. Throws `GuestMemoryBug` when it has not. */
export class GuestRingPage implements RingMemory {
  readonly #guest: GuestPort;
  readonly #va: LinearAddr;

  constructor(guest: GuestPort, va: LinearAddr) {
    this.#guest = guest;
    this.#va = va;
  }

  read32(offset: number): number {
    return kernelRead32(this.#guest, this.#va + offset);
  }

  write32(offset: number, value: number): void {
    kernelWrite32(this.#guest, this.#va + offset, value);
  }

  read(offset: number, into: Uint8Array): void {
    if (!this.#guest.readBytes(this.#va + offset, into)) throw new GuestMemoryBug(this.#va + offset);
  }

  write(offset: number, from: Uint8Array): void {
    if (!this.#guest.writeBytes(this.#va + offset, from)) throw new GuestMemoryBug(this.#va + offset);
  }
}
