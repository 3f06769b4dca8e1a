/** The domain's memory by pseudo-physical address, through the direct map at PAGE_OFFSET. */
import { GuestMemoryBug, type GuestPort } from '@domu/xen-abi';
import { PAGE_OFFSET, PAGE_SHIFT, PAGE_SIZE } from '../boot/layout.ts';

const ZEROS: Uint8Array = new Uint8Array(PAGE_SIZE);

/** Linear address of a frame in the direct map. */
export const frameVa = (pfn: number): number => PAGE_OFFSET + pfn * PAGE_SIZE;

/** All accesses are to mapped memory; one that fails is a bug of the kernel's and throws `GuestMemoryBug`. */
export class Ram {
  readonly port: GuestPort;
  readonly #copy: Uint8Array = new Uint8Array(PAGE_SIZE);

  constructor(port: GuestPort) {
    this.port = port;
  }

  read32(va: number): number {
    const value = this.port.read32(va);
    if (value < 0) throw new GuestMemoryBug(va);
    return value;
  }

  write32(va: number, value: number): void {
    if (!this.port.write32(va, value)) throw new GuestMemoryBug(va);
  }

  read(va: number, into: Uint8Array): void {
    if (!this.port.readBytes(va, into)) throw new GuestMemoryBug(va);
  }

  write(va: number, from: Uint8Array): void {
    if (!this.port.writeBytes(va, from)) throw new GuestMemoryBug(va);
  }

  zeroFrame(pfn: number): void {
    this.write(frameVa(pfn), ZEROS);
  }

  copyFrame(to: number, from: number): void {
    this.read(frameVa(from), this.#copy);
    this.write(frameVa(to), this.#copy);
  }

  /** @param bytes at most a page; the rest of the frame becomes zero */
  fillFrame(pfn: number, bytes: Uint8Array): void {
    this.write(frameVa(pfn), bytes);
    if (bytes.length < PAGE_SIZE) this.write(frameVa(pfn) + bytes.length, ZEROS.subarray(bytes.length));
  }
}

/** Number of the frame that holds a direct-map address. */
export const vaFrame = (va: number): number => (va - PAGE_OFFSET) >>> PAGE_SHIFT;
