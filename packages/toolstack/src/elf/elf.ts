import { fail, hex, ok, type Result } from '../result.ts';

export const PT_LOAD = 1;
export const PT_NOTE = 4;
export const SHT_SYMTAB = 2;
export const SHT_STRTAB = 3;
export const SHT_NOTE = 7;
export const SHT_NOBITS = 8;
export const SHN_UNDEF = 0;

/** Elf32_Ehdr is 52 bytes, Elf32_Phdr 32, Elf32_Shdr 40. Source: System V ABI, "Object Files". */
export const EHDR_BYTES = 52;
export const PHDR_BYTES = 32;
export const SHDR_BYTES = 40;

const ET_REL = 1;
const EM_386 = 3;
const ELFCLASS32 = 1;
const ELFCLASS64 = 2;
const ELFDATA2LSB = 1;

/** Elf32_Phdr. All fields unsigned. */
export interface ProgramHeader {
  readonly type: number;
  readonly offset: number;
  readonly vaddr: number;
  readonly paddr: number;
  readonly filesz: number;
  readonly memsz: number;
  readonly flags: number;
  readonly align: number;
}

/** Elf32_Shdr with its name resolved ('' when the name lies outside the string table). */
export interface SectionHeader {
  readonly name: string;
  readonly type: number;
  readonly flags: number;
  readonly addr: number;
  readonly offset: number;
  readonly size: number;
  readonly link: number;
  readonly info: number;
  readonly addralign: number;
  readonly entsize: number;
}

/** A 32-bit i386 ELF file whose header tables and loadable bytes all lie inside `bytes`. */
export interface ElfFile {
  readonly bytes: Uint8Array;
  readonly entry: number;
  readonly programHeaders: readonly ProgramHeader[];
  readonly sectionHeaders: readonly SectionHeader[];
}

/**
 * Reads the headers of a 32-bit i386 ELF file.
 * @param bytes the whole file; kept, not copied
 * @returns the file's tables, or one line that says what is wrong and what was expected; never throws
 * Postconditions: every PT_LOAD and PT_NOTE has its filesz bytes inside the file and filesz <= memsz for PT_LOAD.
 * Source: System V ABI (gABI 4.1) and the Intel386 supplement.
 */
export function parseElf(bytes: Uint8Array): Result<ElfFile> {
  const wrong = checkIdentity(bytes);
  if (wrong) return fail(wrong);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint16(16, true) === ET_REL) {
    return fail('a relocatable object file, not a linked kernel; expected an ELF executable');
  }
  const programHeaders = readProgramHeaders(view);
  if (!programHeaders.ok) return programHeaders;
  const sectionHeaders = readSectionHeaders(view, bytes);
  if (!sectionHeaders.ok) return sectionHeaders;
  return ok({
    bytes,
    entry: view.getUint32(24, true),
    programHeaders: programHeaders.value,
    sectionHeaders: sectionHeaders.value,
  });
}

/** The file bytes of a section: empty for SHT_NOBITS and for a section that lies outside the file. */
export function sectionBytes(elf: ElfFile, section: SectionHeader): Uint8Array {
  if (section.type === SHT_NOBITS || section.offset + section.size > elf.bytes.length)
    return new Uint8Array(0);
  return elf.bytes.subarray(section.offset, section.offset + section.size);
}

/** Latin-1 text from `offset` up to a NUL or the end. */
export function cString(bytes: Uint8Array, offset = 0): string {
  let text = '';
  for (let i = offset; i < bytes.length && bytes[i] !== 0; i++) text += String.fromCharCode(bytes[i]);
  return text;
}

function checkIdentity(bytes: Uint8Array): string | null {
  const expected = 'expected a 32-bit i386 ELF kernel with Xen notes';
  if (bytes.length === 0) return `an empty file; ${expected}`;
  if (bytes[0] !== 0x7f || bytes[1] !== 0x45 || bytes[2] !== 0x4c || bytes[3] !== 0x46) {
    return `not an ELF file; ${expected}`;
  }
  if (bytes.length < EHDR_BYTES) {
    return `truncated: ${bytes.length} bytes; expected an ELF header of ${EHDR_BYTES}`;
  }
  if (bytes[4] === ELFCLASS64) return `a 64-bit ELF file; ${expected}`;
  if (bytes[4] !== ELFCLASS32) return `ELF class ${bytes[4]} is unknown; ${expected}`;
  if (bytes[5] !== ELFDATA2LSB) return `a big-endian ELF file; ${expected}`;
  const machine = bytes[18] | (bytes[19] << 8);
  if (machine !== EM_386)
    return `an ELF file for machine type ${machine}, not for i386 (${EM_386}); ${expected}`;
  return null;
}

function readProgramHeaders(view: DataView): Result<ProgramHeader[]> {
  const offset = view.getUint32(28, true);
  const size = view.getUint16(42, true);
  const count = view.getUint16(44, true);
  if (count === 0) return fail('an ELF file without program headers; expected a linked kernel');
  if (size < PHDR_BYTES) return fail(`program headers of ${size} bytes; expected ${PHDR_BYTES}`);
  const outside = outsideFile('the program header table', offset, count * size, view.byteLength);
  if (outside) return fail(outside);
  const headers: ProgramHeader[] = [];
  for (let i = 0; i < count; i++) {
    const word = (index: number): number => view.getUint32(offset + i * size + index * 4, true);
    const header: ProgramHeader = {
      type: word(0),
      offset: word(1),
      vaddr: word(2),
      paddr: word(3),
      filesz: word(4),
      memsz: word(5),
      flags: word(6),
      align: word(7),
    };
    if (header.type === PT_LOAD || (header.type === PT_NOTE && header.offset !== 0)) {
      const cut = outsideFile(`segment ${i}`, header.offset, header.filesz, view.byteLength);
      if (cut) return fail(cut);
    }
    if (header.type === PT_LOAD && header.filesz > header.memsz) {
      return fail(
        `segment ${i} has ${hex(header.filesz)} bytes in the file for ${hex(header.memsz)} in memory`,
      );
    }
    headers.push(header);
  }
  return ok(headers);
}

function readSectionHeaders(view: DataView, bytes: Uint8Array): Result<SectionHeader[]> {
  const offset = view.getUint32(32, true);
  const size = view.getUint16(46, true);
  const count = view.getUint16(48, true);
  if (offset === 0 || count === 0) return ok([]);
  if (size < SHDR_BYTES) return fail(`section headers of ${size} bytes; expected ${SHDR_BYTES}`);
  const outside = outsideFile('the section header table', offset, count * size, view.byteLength);
  if (outside) return fail(outside);
  const word = (section: number, index: number): number =>
    view.getUint32(offset + section * size + index * 4, true);
  const names = view.getUint16(50, true);
  let nameTable = new Uint8Array(0);
  if (names !== SHN_UNDEF && names < count && word(names, 4) + word(names, 5) <= bytes.length) {
    nameTable = bytes.slice(word(names, 4), word(names, 4) + word(names, 5));
  }
  const headers: SectionHeader[] = [];
  for (let i = 0; i < count; i++) {
    headers.push({
      name: cString(nameTable, word(i, 0)),
      type: word(i, 1),
      flags: word(i, 2),
      addr: word(i, 3),
      offset: word(i, 4),
      size: word(i, 5),
      link: word(i, 6),
      info: word(i, 7),
      addralign: word(i, 8),
      entsize: word(i, 9),
    });
  }
  return ok(headers);
}

function outsideFile(what: string, offset: number, length: number, fileLength: number): string | null {
  if (offset + length <= fileLength) return null;
  return `truncated: the file ends at ${hex(fileLength)}; expected ${what} at ${hex(offset)} to ${hex(offset + length)}`;
}
