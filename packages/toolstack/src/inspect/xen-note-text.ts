import {
  XEN_ELFNOTE_BSD_SYMTAB,
  XEN_ELFNOTE_ENTRY,
  XEN_ELFNOTE_FEATURES,
  XEN_ELFNOTE_GUEST_OS,
  XEN_ELFNOTE_GUEST_VERSION,
  XEN_ELFNOTE_HV_START_LOW,
  XEN_ELFNOTE_HYPERCALL_PAGE,
  XEN_ELFNOTE_INFO,
  XEN_ELFNOTE_INIT_P2M,
  XEN_ELFNOTE_L1_MFN_VALID,
  XEN_ELFNOTE_LOADER,
  XEN_ELFNOTE_MOD_START_PFN,
  XEN_ELFNOTE_PADDR_OFFSET,
  XEN_ELFNOTE_PAE_MODE,
  XEN_ELFNOTE_PHYS32_ENTRY,
  XEN_ELFNOTE_SUPPORTED_FEATURES,
  XEN_ELFNOTE_SUSPEND_CANCEL,
  XEN_ELFNOTE_VIRT_BASE,
  XEN_ELFNOTE_XEN_VERSION,
} from '@domu/xen-abi';
import { featureNames } from '../elf/features.ts';
import { type ElfNote, noteNumber, noteString } from '../elf/notes.ts';

/** What a descriptor holds: text, an address or number, feature bits, or pairs of a mask and a value. */
type NoteForm = 'text' | 'hex' | 'number' | 'features' | 'bytes';

const NOTES: Readonly<Record<number, readonly [name: string, form: NoteForm]>> = {
  [XEN_ELFNOTE_INFO]: ['INFO', 'text'],
  [XEN_ELFNOTE_ENTRY]: ['ENTRY', 'hex'],
  [XEN_ELFNOTE_HYPERCALL_PAGE]: ['HYPERCALL_PAGE', 'hex'],
  [XEN_ELFNOTE_VIRT_BASE]: ['VIRT_BASE', 'hex'],
  [XEN_ELFNOTE_PADDR_OFFSET]: ['PADDR_OFFSET', 'hex'],
  [XEN_ELFNOTE_XEN_VERSION]: ['XEN_VERSION', 'text'],
  [XEN_ELFNOTE_GUEST_OS]: ['GUEST_OS', 'text'],
  [XEN_ELFNOTE_GUEST_VERSION]: ['GUEST_VERSION', 'text'],
  [XEN_ELFNOTE_LOADER]: ['LOADER', 'text'],
  [XEN_ELFNOTE_PAE_MODE]: ['PAE_MODE', 'text'],
  [XEN_ELFNOTE_FEATURES]: ['FEATURES', 'text'],
  [XEN_ELFNOTE_BSD_SYMTAB]: ['BSD_SYMTAB', 'text'],
  [XEN_ELFNOTE_HV_START_LOW]: ['HV_START_LOW', 'hex'],
  [XEN_ELFNOTE_L1_MFN_VALID]: ['L1_MFN_VALID', 'bytes'],
  [XEN_ELFNOTE_SUSPEND_CANCEL]: ['SUSPEND_CANCEL', 'number'],
  [XEN_ELFNOTE_INIT_P2M]: ['INIT_P2M', 'hex'],
  [XEN_ELFNOTE_MOD_START_PFN]: ['MOD_START_PFN', 'number'],
  [XEN_ELFNOTE_SUPPORTED_FEATURES]: ['SUPPORTED_FEATURES', 'features'],
  [XEN_ELFNOTE_PHYS32_ENTRY]: ['PHYS32_ENTRY', 'hex'],
};
/** Enough of a note that nobody knows. */
const MAX_RAW_BYTES = 16;

/** A Xen note for people. */
export interface XenNoteText {
  /** Without XEN_ELFNOTE_; the number of one that Xen has no name for. */
  readonly name: string;
  readonly value: string;
}

/** Reads a note of owner "Xen" for people. */
export function xenNoteText(note: ElfNote): XenNoteText {
  const [name, form] = NOTES[note.type] ?? [`note ${note.type}`, 'bytes'];
  return { name, value: valueText(note, form) };
}

function valueText(note: ElfNote, form: NoteForm): string {
  switch (form) {
    case 'text':
      return printable(noteString(note));
    case 'hex':
      return hexOf(note.desc);
    case 'number':
      return String(noteNumber(note));
    case 'features':
      return `${hexOf(note.desc)} (${featureNames(noteNumber(note)).join(' ')})`;
    case 'bytes':
      return hexBytes(note.desc);
  }
}

/** A little-endian number of any size. */
function hexOf(desc: Uint8Array): string {
  const digits = [...desc].reverse().map((byte) => byte.toString(16).padStart(2, '0'));
  return `0x${
    digits
      .join('')
      .slice(0, 4 * MAX_RAW_BYTES)
      .replace(/^0+(?=.)/, '') || '0'
  }`;
}

function hexBytes(desc: Uint8Array): string {
  const shown = [...desc.subarray(0, MAX_RAW_BYTES)].map((byte) => byte.toString(16).padStart(2, '0'));
  return shown.join(' ') + (desc.length > MAX_RAW_BYTES ? ' …' : '');
}

/** Nothing in a file may steer the terminal. */
function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, 200);
}
