import {
  XEN_ELFNOTE_GUEST_OS,
  XEN_ELFNOTE_HYPERCALL_PAGE,
  XEN_ELFNOTE_LOADER,
  XEN_ELFNOTE_PAE_MODE,
  XEN_ELFNOTE_XEN_VERSION,
} from '@domu/xen-abi';
import { buildElf, encodeNotes, PT_NOTE, type TestNote } from './elf-image.ts';

/** The notes that every test kernel needs to pass; PAE, so the builder takes it. */
export const BASE_NOTES: readonly TestNote[] = [
  { type: XEN_ELFNOTE_GUEST_OS, desc: 'test' },
  { type: XEN_ELFNOTE_LOADER, desc: 'generic' },
  { type: XEN_ELFNOTE_XEN_VERSION, desc: 'xen-3.0' },
  { type: XEN_ELFNOTE_PAE_MODE, desc: 'yes' },
];

/** A small PAE kernel: code at 1 MiB, hypercall page in its second page, 64 KiB in memory. */
export function testKernel(
  extraNotes: readonly TestNote[] = [],
  code: readonly number[] = [0x0f, 0x0b],
): Uint8Array {
  const text = new Uint8Array(0x2000);
  text.set(code);
  const notes = encodeNotes([
    ...BASE_NOTES,
    { type: XEN_ELFNOTE_HYPERCALL_PAGE, desc: 0x101000 },
    ...extraNotes,
  ]);
  return buildElf({
    entry: 0x100000,
    segments: [
      { paddr: 0x100000, bytes: text, memsz: 0x10000 },
      { type: PT_NOTE, paddr: 0, bytes: notes },
    ],
  });
}
