import {
  XEN_ELFNOTE_BSD_SYMTAB,
  XEN_ELFNOTE_ENTRY,
  XEN_ELFNOTE_FEATURES,
  XEN_ELFNOTE_GUEST_OS,
  XEN_ELFNOTE_GUEST_VERSION,
  XEN_ELFNOTE_HYPERCALL_PAGE,
  XEN_ELFNOTE_LOADER,
  XEN_ELFNOTE_MOD_START_PFN,
  XEN_ELFNOTE_OWNER,
  XEN_ELFNOTE_PADDR_OFFSET,
  XEN_ELFNOTE_PAE_MODE,
  XEN_ELFNOTE_PHYS32_ENTRY,
  XEN_ELFNOTE_SUPPORTED_FEATURES,
  XEN_ELFNOTE_VIRT_BASE,
  XEN_ELFNOTE_XEN_VERSION,
  XEN_LEGACY_SECTION,
} from '@domu/xen-abi';
import { type ElfFile, PT_NOTE, SHT_NOTE, sectionBytes } from './elf.ts';
import { addFeatures, parseGuestSection } from './guest-section.ts';
import { type ElfNote, noteNumber, noteString, readNotes } from './notes.ts';
import { emptyXenInfo, type XenInfo } from './xen-info.ts';

/**
 * Finds what the kernel says about itself: Xen notes in PT_NOTE segments, else in SHT_NOTE sections, else the legacy
 * `__xen_guest` section.
 * @returns null when it says nothing, so it is no Xen kernel
 * Source: xen/common/libelf/libelf-dominfo.c, elf_xen_parse
 */
export function readXenInfo(elf: ElfFile): XenInfo | null {
  // Some binutils leave p_offset 0 in a note segment; it then points at the ELF header.
  const segments = elf.programHeaders.filter((header) => header.type === PT_NOTE && header.offset !== 0);
  const fromSegments = segments.flatMap((header) =>
    xenNotes(elf.bytes.subarray(header.offset, header.offset + header.filesz)),
  );
  if (fromSegments.length > 0) return infoFromNotes(fromSegments);
  const sections = elf.sectionHeaders.filter((header) => header.type === SHT_NOTE);
  const fromSections = sections.flatMap((header) => xenNotes(sectionBytes(elf, header)));
  if (fromSections.length > 0) return infoFromNotes(fromSections);
  const legacy = elf.sectionHeaders.find((header) => header.name === XEN_LEGACY_SECTION);
  return legacy ? parseGuestSection(sectionBytes(elf, legacy)) : null;
}

/** The notes of owner "Xen" in a note segment or section. */
export function xenNotes(bytes: Uint8Array): ElfNote[] {
  return readNotes(bytes).filter((note) => note.name === XEN_ELFNOTE_OWNER);
}

/** What Xen notes say, whatever the class of the file that they are in. */
export function infoFromNotes(notes: readonly ElfNote[]): XenInfo {
  const info = emptyXenInfo('notes');
  for (const note of notes) applyNote(info, note);
  return info;
}

function applyNote(info: XenInfo, note: ElfNote): void {
  switch (note.type) {
    case XEN_ELFNOTE_ENTRY:
      info.entry = noteNumber(note);
      break;
    case XEN_ELFNOTE_HYPERCALL_PAGE:
      info.hypercallPage = noteNumber(note);
      break;
    case XEN_ELFNOTE_VIRT_BASE:
      info.virtBase = noteNumber(note);
      break;
    case XEN_ELFNOTE_PADDR_OFFSET:
      info.paddrOffset = noteNumber(note);
      break;
    case XEN_ELFNOTE_XEN_VERSION:
      info.xenVersion = noteString(note);
      break;
    case XEN_ELFNOTE_GUEST_OS:
      info.guestOs = noteString(note);
      break;
    case XEN_ELFNOTE_GUEST_VERSION:
      info.guestVersion = noteString(note);
      break;
    case XEN_ELFNOTE_LOADER:
      info.loader = noteString(note);
      break;
    case XEN_ELFNOTE_PAE_MODE:
      applyPaeNote(info, noteString(note));
      break;
    case XEN_ELFNOTE_FEATURES:
      addFeatures(info, noteString(note));
      break;
    case XEN_ELFNOTE_SUPPORTED_FEATURES:
      info.features = { ...info.features, supported: (info.features.supported | noteNumber(note)) >>> 0 };
      break;
    case XEN_ELFNOTE_BSD_SYMTAB:
      info.bsdSymtab = noteString(note) === 'yes';
      break;
    case XEN_ELFNOTE_MOD_START_PFN:
      info.unmappedInitrd = noteNumber(note) !== 0;
      break;
    case XEN_ELFNOTE_PHYS32_ENTRY:
      info.physEntry = noteNumber(note);
      break;
  }
}

/** In a note plain "yes" already promises extended CR3; only the legacy section tells the two apart. */
function applyPaeNote(info: XenInfo, value: string): void {
  if (value.includes('bimodal')) info.pae = 'bimodal';
  else if (value.startsWith('yes')) info.pae = 'extended-cr3';
}
