import {
  type GuestPort,
  idxDistance,
  kernelRead32,
  kernelWrite32,
  type LinearAddr,
  XenconsInterface as Page,
  XENCONS_IN_SIZE,
  XENCONS_OUT_SIZE,
} from '@domu/xen-abi';

/**
 * The guest's end of a console page: bytes out, bytes in, no events. Indices of the other side are read once and checked:
 * a page whose indices make no sense takes and gives nothing.
 * Throws `GuestMemoryBug` when the kernel has not mapped the page.
 * Source: xen/include/public/io/console.h @ RELEASE-4.18.0
 */
export class ConsoleRing {
  readonly #guest: GuestPort;
  readonly #page: number;

  /** @param page where the kernel has mapped the page */
  constructor(guest: GuestPort, page: LinearAddr) {
    this.#guest = guest;
    this.#page = page;
  }

  /** Bytes that `write` has room for. */
  get room(): number {
    const used = idxDistance(this.#index(Page.out_prod.offset), this.#index(Page.out_cons.offset));
    return used > XENCONS_OUT_SIZE ? 0 : XENCONS_OUT_SIZE - used;
  }

  /** Bytes that wait to be read. */
  get readable(): number {
    const waiting = idxDistance(this.#index(Page.in_prod.offset), this.#index(Page.in_cons.offset));
    return waiting > XENCONS_IN_SIZE ? 0 : waiting;
  }

  /** @returns how many bytes were taken: as many as there is room for */
  write(bytes: Uint8Array): number {
    const prod = this.#index(Page.out_prod.offset);
    const count = Math.min(bytes.length, this.room);
    for (const { at, start, end } of pieces(prod, count, XENCONS_OUT_SIZE)) {
      this.#guest.writeBytes(this.#page + Page.out.offset + at, bytes.subarray(start, end));
    }
    // The bytes are there before the index that announces them.
    this.#setIndex(Page.out_prod.offset, prod + count);
    return count;
  }

  /** @returns how many bytes were put into `into` */
  read(into: Uint8Array): number {
    const cons = this.#index(Page.in_cons.offset);
    const count = Math.min(into.length, this.readable);
    for (const { at, start, end } of pieces(cons, count, XENCONS_IN_SIZE)) {
      this.#guest.readBytes(this.#page + Page.in.offset + at, into.subarray(start, end));
    }
    this.#setIndex(Page.in_cons.offset, cons + count);
    return count;
  }

  #index(offset: number): number {
    return kernelRead32(this.#guest, this.#page + offset);
  }

  #setIndex(offset: number, value: number): void {
    kernelWrite32(this.#guest, this.#page + offset, value >>> 0);
  }
}

/** Where `count` bytes from the free-running index `from` on lie in a buffer of `size` bytes: at most two pieces. */
function pieces(from: number, count: number, size: number): { at: number; start: number; end: number }[] {
  const at = from & (size - 1);
  const first = Math.min(count, size - at);
  const whole = [{ at, start: 0, end: first }];
  return first < count ? [...whole, { at: 0, start: first, end: count }] : whole;
}
