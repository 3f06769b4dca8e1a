import { cString } from './elf.ts';

/** One ELF note (Elf32_Nhdr with its name and descriptor). */
export interface ElfNote {
  readonly name: string;
  readonly type: number;
  readonly desc: Uint8Array;
}

/** libelf's bound on the notes of one image. Source: xen/common/libelf/libelf-private.h, ELF_MAX_TOTAL_NOTE_COUNT. */
const MAX_NOTES = 65536;
const NHDR_BYTES = 12;

/**
 * Splits a note segment or section into notes.
 * @param bytes contents of a PT_NOTE segment or SHT_NOTE section
 * @returns the notes in file order; a descriptor that runs past the end is cut there (GRUB's last note does), a name
 *   that does so ends the list
 */
export function readNotes(bytes: Uint8Array): ElfNote[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const notes: ElfNote[] = [];
  let at = 0;
  while (at + NHDR_BYTES <= bytes.length && notes.length < MAX_NOTES) {
    const nameSize = view.getUint32(at, true);
    const descSize = view.getUint32(at + 4, true);
    const type = view.getUint32(at + 8, true);
    const nameStart = at + NHDR_BYTES;
    const descStart = nameStart + align4(nameSize);
    if (nameStart + nameSize > bytes.length) break;
    notes.push({
      name: cString(bytes.subarray(nameStart, nameStart + nameSize)),
      type,
      desc: bytes.subarray(Math.min(descStart, bytes.length), Math.min(descStart + descSize, bytes.length)),
    });
    at = descStart + align4(descSize);
  }
  return notes;
}

/** A numeric descriptor of 1, 2, 4 or 8 bytes; any other size reads as 0, as in libelf. */
export function noteNumber(note: ElfNote): number {
  const size = note.desc.length;
  if (size !== 1 && size !== 2 && size !== 4 && size !== 8) return 0;
  let value = 0;
  for (let i = size - 1; i >= 0; i--) value = value * 256 + note.desc[i];
  return value;
}

/** A string descriptor up to its NUL. */
export function noteString(note: ElfNote): string {
  return cString(note.desc);
}

function align4(size: number): number {
  return Math.ceil(size / 4) * 4;
}
