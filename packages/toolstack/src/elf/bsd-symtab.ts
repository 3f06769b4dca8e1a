import { EHDR_BYTES, type ElfFile, SHDR_BYTES, sectionBytes } from './elf.ts';
import { findSymbolTables } from './symbols.ts';

/** u32 size, then room for the larger (64-bit) ELF header, as libelf lays it out; the guest finds the sections by e_shoff. */
const SIZE_BYTES = 4;
const HEADER_SPACE_BYTES = 64;
const NR_SECTIONS = 3;
const SYMTAB_INDEX = 1;
const STRTAB_INDEX = 2;

/**
 * Builds what a kernel with BSD_SYMTAB=yes finds behind its last segment: a u32 with the length of all that follows, an
 * ELF header with three section headers (null, symtab, strtab), then both tables. Unused bytes are zero.
 * @returns the block, to be placed 4-aligned; null when the image has no symbol table
 * Source: xen/common/libelf/libelf-loader.c, elf_load_bsdsyms; XSA-194 for the zero bytes
 */
export function buildBsdSymtab(elf: ElfFile): Uint8Array | null {
  const tables = findSymbolTables(elf);
  if (!tables) return null;
  const symbols = sectionBytes(elf, tables.symtab);
  const strings = sectionBytes(elf, tables.strtab);
  const symtabAt = HEADER_SPACE_BYTES + NR_SECTIONS * SHDR_BYTES;
  const strtabAt = align4(symtabAt + symbols.length);
  const block = new Uint8Array(align4(SIZE_BYTES + strtabAt + strings.length));
  const view = new DataView(block.buffer);
  view.setUint32(0, strtabAt + strings.length, true);
  writeHeader(block, view, elf);
  const writeSection = (index: number, offset: number, original: typeof tables.symtab): void => {
    const at = SIZE_BYTES + HEADER_SPACE_BYTES + index * SHDR_BYTES;
    view.setUint32(at + 4, original.type, true);
    view.setUint32(at + 16, offset, true);
    view.setUint32(at + 20, original.size, true);
    view.setUint32(at + 24, index === SYMTAB_INDEX ? STRTAB_INDEX : 0, true);
    view.setUint32(at + 28, original.info, true);
    view.setUint32(at + 32, original.addralign, true);
    view.setUint32(at + 36, original.entsize, true);
  };
  writeSection(SYMTAB_INDEX, symtabAt, tables.symtab);
  writeSection(STRTAB_INDEX, strtabAt, tables.strtab);
  block.set(symbols, SIZE_BYTES + symtabAt);
  block.set(strings, SIZE_BYTES + strtabAt);
  return block;
}

function writeHeader(block: Uint8Array, view: DataView, elf: ElfFile): void {
  block.set(elf.bytes.subarray(0, EHDR_BYTES), SIZE_BYTES);
  const at = SIZE_BYTES;
  view.setUint32(at + 20, 1, true); // e_version EV_CURRENT
  view.setUint32(at + 28, 0, true); // e_phoff
  view.setUint32(at + 32, HEADER_SPACE_BYTES, true); // e_shoff
  view.setUint16(at + 40, EHDR_BYTES, true); // e_ehsize
  view.setUint16(at + 42, 0, true); // e_phentsize
  view.setUint16(at + 44, 0, true); // e_phnum
  view.setUint16(at + 46, SHDR_BYTES, true); // e_shentsize
  view.setUint16(at + 48, NR_SECTIONS, true); // e_shnum
  view.setUint16(at + 50, 0, true); // e_shstrndx
}

function align4(size: number): number {
  return Math.ceil(size / 4) * 4;
}
