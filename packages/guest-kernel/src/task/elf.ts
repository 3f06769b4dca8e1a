/** Reading ELF programs. Errors are what execve returns. Source: System V ABI i386, linux fs/binfmt_elf.c. */
import { E } from '../abi/errno.ts';
import { PAGE_SIZE, TASK_SIZE } from '../boot/layout.ts';

export const EHDR_BYTES = 52;
const PHDR_BYTES = 32;
const ET_EXEC = 2;
const ET_DYN = 3;
const EM_386 = 3;
const EM_486 = 6;
const PT_LOAD = 1;
const PT_INTERP = 3;
const PT_PHDR = 6;
const MAX_PHDR_BYTES = 4096;
const MAX_INTERP = 4096;

export interface ElfHeader {
  readonly dynamic: boolean;
  readonly entry: number;
  readonly phoff: number;
  readonly phnum: number;
}

export interface ElfSegment {
  readonly va: number;
  readonly offset: number;
  readonly fileBytes: number;
  readonly memoryBytes: number;
  /** PROT_ bits. */
  readonly prot: number;
}

export interface ElfProgram {
  readonly header: ElfHeader;
  readonly segments: readonly ElfSegment[];
  /** Where the path of the interpreter is in the file. */
  readonly interpreter: { readonly offset: number; readonly length: number } | null;
  /** Address of the program headers in memory, before relocation; 0 if they are not loaded. */
  readonly phdrVa: number;
  /** Lowest and one past the highest address. */
  readonly start: number;
  readonly end: number;
}

/** @param bytes the first bytes of the file */
export function readHeader(bytes: Uint8Array): ElfHeader | number {
  if (bytes.length < EHDR_BYTES) return -E.NOEXEC;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  if (view.getUint32(0) !== 0x7f45_4c46) return -E.NOEXEC;
  // 32 bits, little endian.
  if (bytes[4] !== 1 || bytes[5] !== 1) return -E.NOEXEC;
  const type = view.getUint16(16, true);
  const machine = view.getUint16(18, true);
  if ((type !== ET_EXEC && type !== ET_DYN) || (machine !== EM_386 && machine !== EM_486)) return -E.NOEXEC;
  const phnum = view.getUint16(44, true);
  if (view.getUint16(42, true) !== PHDR_BYTES) return -E.NOEXEC;
  if (phnum < 1 || phnum * PHDR_BYTES > MAX_PHDR_BYTES) return -E.NOEXEC;
  return {
    dynamic: type === ET_DYN,
    entry: view.getUint32(24, true),
    phoff: view.getUint32(28, true),
    phnum,
  };
}

export const programHeaderBytes = (header: ElfHeader): number => header.phnum * PHDR_BYTES;

/** @param table the program headers */
export function readProgram(header: ElfHeader, table: Uint8Array): ElfProgram | number {
  const view = new DataView(table.buffer, table.byteOffset);
  const segments: ElfSegment[] = [];
  let interpreter: ElfProgram['interpreter'] = null;
  let phdrVa = 0;
  for (let at = 0; at < table.length; at += PHDR_BYTES) {
    const [type, offset, va, , fileBytes, memoryBytes, flags] = [0, 4, 8, 12, 16, 20, 24].map((field) =>
      view.getUint32(at + field, true),
    );
    if (type === PT_INTERP) {
      if (fileBytes > MAX_INTERP || fileBytes < 2) return -E.NOEXEC;
      interpreter = { offset, length: fileBytes };
    }
    if (type === PT_PHDR) phdrVa = va;
    if (type !== PT_LOAD || memoryBytes === 0) continue;
    const inside = va + memoryBytes <= TASK_SIZE && fileBytes <= memoryBytes;
    if (!inside || va % PAGE_SIZE !== offset % PAGE_SIZE) return -E.INVAL;
    const prot = (flags & 4 ? 1 : 0) | (flags & 2 ? 2 : 0) | (flags & 1 ? 4 : 0);
    segments.push({ va, offset, fileBytes, memoryBytes, prot });
  }
  if (segments.length === 0) return -E.NOEXEC;
  const start = Math.min(...segments.map(({ va }) => va));
  const end = Math.max(...segments.map(({ va, memoryBytes }) => va + memoryBytes));
  for (const { va, offset, fileBytes } of segments) {
    const inFile = header.phoff >= offset && header.phoff + table.length <= offset + fileBytes;
    if (phdrVa === 0 && inFile) phdrVa = va + header.phoff - offset;
  }
  return { header, segments, interpreter, phdrVa, start: start - (start % PAGE_SIZE), end };
}
