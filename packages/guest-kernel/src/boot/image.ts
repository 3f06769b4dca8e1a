/** The kernel as a file: an ELF image with Xen notes that any toolstack can build a domain from. */
import {
  XEN_ELFNOTE_ENTRY,
  XEN_ELFNOTE_FEATURES,
  XEN_ELFNOTE_GUEST_OS,
  XEN_ELFNOTE_GUEST_VERSION,
  XEN_ELFNOTE_LOADER,
  XEN_ELFNOTE_OWNER,
  XEN_ELFNOTE_PADDR_OFFSET,
  XEN_ELFNOTE_PAE_MODE,
  XEN_ELFNOTE_VIRT_BASE,
  XEN_ELFNOTE_XEN_VERSION,
} from '@domu/xen-abi';
import { ENTRY_BOOT, IMAGE_END, IMAGE_START, PAGE_OFFSET } from './layout.ts';
import { entryStub, stubPage } from './stubs.ts';

const EHDR_BYTES = 52;
const PHDR_BYTES = 32;
const NOTES_AT = EHDR_BYTES + 2 * PHDR_BYTES;
/** The code starts at a page of the file. */
const CODE_AT = 0x1000;
const PT_LOAD = 1;
const PT_NOTE = 4;
const EM_386 = 3;

/** What the kernel says about itself: translated paging with 2-level tables, or nothing. */
const NOTES: readonly (readonly [number, string | number])[] = [
  [XEN_ELFNOTE_GUEST_OS, 'domu'],
  [XEN_ELFNOTE_GUEST_VERSION, 'guest-kernel'],
  [XEN_ELFNOTE_XEN_VERSION, 'xen-3.0'],
  [XEN_ELFNOTE_LOADER, 'generic'],
  [XEN_ELFNOTE_PAE_MODE, 'no'],
  [XEN_ELFNOTE_FEATURES, '!auto_translated_physmap|writable_page_tables'],
  [XEN_ELFNOTE_VIRT_BASE, PAGE_OFFSET],
  [XEN_ELFNOTE_PADDR_OFFSET, 0],
  [XEN_ELFNOTE_ENTRY, entryStub(ENTRY_BOOT)],
];

/** @returns the bytes of the ELF file */
export function guestKernelImage(): Uint8Array {
  const notes = NOTES.flatMap(([type, value]) => noteBytes(type, value));
  const file = new Uint8Array(CODE_AT + 4096);
  const view = new DataView(file.buffer);
  file.set([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1]);
  const ident = 16;
  view.setUint16(ident, 2, true); // ET_EXEC
  view.setUint16(ident + 2, EM_386, true);
  view.setUint32(ident + 4, 1, true);
  view.setUint32(ident + 8, entryStub(ENTRY_BOOT), true);
  view.setUint32(ident + 12, EHDR_BYTES, true); // e_phoff
  view.setUint16(ident + 24, EHDR_BYTES, true);
  view.setUint16(ident + 26, PHDR_BYTES, true);
  view.setUint16(ident + 28, 2, true); // e_phnum
  programHeader(view, EHDR_BYTES, {
    type: PT_LOAD,
    offset: CODE_AT,
    va: IMAGE_START,
    filesz: 4096,
    memsz: IMAGE_END - IMAGE_START,
    flags: 7,
  });
  programHeader(view, EHDR_BYTES + PHDR_BYTES, {
    type: PT_NOTE,
    offset: NOTES_AT,
    va: 0,
    filesz: notes.length,
    memsz: 0,
    flags: 4,
  });
  file.set(notes, NOTES_AT);
  file.set(stubPage(), CODE_AT);
  return file;
}

interface Segment {
  readonly type: number;
  readonly offset: number;
  readonly va: number;
  readonly filesz: number;
  readonly memsz: number;
  readonly flags: number;
}

function programHeader(view: DataView, at: number, segment: Segment): void {
  const { type, offset, va, filesz, memsz, flags } = segment;
  const paddr = va === 0 ? 0 : va - PAGE_OFFSET;
  for (const [i, value] of [type, offset, va, paddr, filesz, memsz, flags, 4].entries())
    view.setUint32(at + 4 * i, value, true);
}

const word = (value: number): number[] => [
  value & 0xff,
  (value >>> 8) & 0xff,
  (value >>> 16) & 0xff,
  value >>> 24,
];
const padded = (bytes: readonly number[]): number[] => [
  ...bytes,
  ...new Array<number>(-bytes.length & 3).fill(0),
];
const text = (value: string): number[] => [...`${value}\0`].map((c) => c.charCodeAt(0));

function noteBytes(type: number, value: string | number): number[] {
  const owner = text(XEN_ELFNOTE_OWNER);
  const desc = typeof value === 'string' ? text(value) : word(value);
  return [...word(owner.length), ...word(desc.length), ...word(type), ...padded(owner), ...padded(desc)];
}
