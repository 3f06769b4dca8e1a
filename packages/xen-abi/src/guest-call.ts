/** Access to guest memory that must not fail, and hypercalls on a structure: for guest kernels in TypeScript. */
import type { LinearAddr } from './domid.ts';
import type { GuestPort } from './guest-port.ts';

/** A guest kernel's own data is not mapped where the kernel says it is: the kernel is broken. */
export class GuestMemoryBug extends Error {
  constructor(address: number) {
    super(`guest kernel data at 0x${(address >>> 0).toString(16)} cannot be accessed`);
    this.name = 'GuestMemoryBug';
  }
}

/** @returns the word at `va` of the kernel's own data. Throws `GuestMemoryBug` */
export function kernelRead32(guest: GuestPort, va: number): number {
  const value = guest.read32(va);
  if (value < 0) throw new GuestMemoryBug(va);
  return value;
}

/** Throws `GuestMemoryBug` */
export function kernelWrite32(guest: GuestPort, va: number, value: number): void {
  if (!guest.write32(va, value)) throw new GuestMemoryBug(va);
}

/** Replaces the word at `va` by what `change` makes of it, in one step as Xen sees it. @returns the word before */
export function kernelUpdate32(guest: GuestPort, va: number, change: (word: number) => number): number {
  for (let word = kernelRead32(guest, va); ; ) {
    const found = guest.compareExchange32(va, word, change(word) >>> 0);
    if (found < 0) throw new GuestMemoryBug(va);
    if (found === word) return word;
    word = found;
  }
}

/**
 * Makes a hypercall whose argument is a structure: copies it to `scratch`, calls, copies the results back.
 * @param argument the structure; [in, out]
 * @param options.command before the pointer; `options.count` after it
 * @param options.scratch linear address of the kernel's own memory, at least as long as the structure
 * @returns the hypercall's result. Throws `GuestMemoryBug`
 */
export function hypercallOn(
  guest: GuestPort,
  nr: number,
  argument: DataView,
  options: { readonly command: number; readonly count?: number; readonly scratch: LinearAddr },
): number {
  const { command, count = 0, scratch } = options;
  const bytes = new Uint8Array(argument.buffer, argument.byteOffset, argument.byteLength);
  if (!guest.writeBytes(scratch, bytes)) throw new GuestMemoryBug(scratch);
  const result = guest.hypercall(nr, command, scratch, count);
  if (!guest.readBytes(scratch, bytes)) throw new GuestMemoryBug(scratch);
  return result;
}
