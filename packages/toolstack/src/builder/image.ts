import type { Kernel } from '../elf/kernel.ts';
import { type Layout, PAGE_BYTES } from './layout.ts';
import type { TableMemory } from './page-tables.ts';

/**
 * Copies the kernel's segments and the initial RAM disk into the domain's frames, which are zero so far.
 * Segments may start and end anywhere; later ones overwrite earlier ones.
 */
export function writeImage(
  kernel: Kernel,
  initrd: Uint8Array | null,
  layout: Layout,
  memory: TableMemory,
): void {
  for (const segment of kernel.segments) {
    copyToPhys(memory, segment.va - layout.virtBase, segment.bytes);
  }
  if (initrd && layout.initrd) copyToPhys(memory, layout.initrd.pfn * PAGE_BYTES, initrd);
}

/** Writes the p2m list: one machine frame number per page of the domain. */
export function writeP2m(layout: Layout, memory: TableMemory): void {
  const bytes = new Uint8Array(layout.nrPages * 4);
  const view = new DataView(bytes.buffer);
  for (let pfn = 0; pfn < layout.nrPages; pfn++) view.setUint32(pfn * 4, memory.p2m[pfn], true);
  copyToPhys(memory, layout.p2m.pfn * PAGE_BYTES, bytes);
}

/** @param at pseudo-physical byte address */
function copyToPhys(memory: TableMemory, at: number, bytes: Uint8Array): void {
  let done = 0;
  while (done < bytes.length) {
    const offset = (at + done) % PAGE_BYTES;
    const pfn = (at + done - offset) / PAGE_BYTES;
    const length = Math.min(PAGE_BYTES - offset, bytes.length - done);
    memory.frame(memory.p2m[pfn]).set(bytes.subarray(done, done + length), offset);
    done += length;
  }
}
