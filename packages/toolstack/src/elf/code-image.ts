import { ok, type Result } from '../result.ts';
import { PT_LOAD, parseElf } from './elf.ts';
import { unpackKernel } from './kernel.ts';
import { readSymbols, type SymbolTable } from './symbols.ts';

const PF_X = 1;

/** Bytes of a file that are at a linear address when it runs. */
export interface CodeSegment {
  readonly va: number;
  readonly bytes: Uint8Array;
}

/** The code of an i386 program or kernel. */
export interface CodeImage {
  readonly entry: number;
  /** What may be executed, by rising address; bytes that are not in the file are left out. */
  readonly segments: readonly CodeSegment[];
  readonly symbols: SymbolTable;
}

/**
 * Reads an ELF file for its code, be it a kernel for Xen or not.
 * @param bytes the whole file: an ELF file, one that is compressed, or a bzImage
 * @returns the code, or one line that says what is wrong; never throws
 */
export function loadCode(bytes: Uint8Array): Result<CodeImage> {
  const image = unpackKernel(bytes);
  if (!image.ok) return image;
  const elf = parseElf(image.value);
  if (!elf.ok) return elf;
  const segments = elf.value.programHeaders
    .filter(({ type, flags, filesz }) => type === PT_LOAD && (flags & PF_X) !== 0 && filesz > 0)
    .map(({ vaddr, offset, filesz }) => ({
      va: vaddr,
      bytes: image.value.subarray(offset, offset + filesz),
    }))
    .sort((a, b) => a.va - b.va);
  return ok({ entry: elf.value.entry, segments, symbols: readSymbols(elf.value) });
}
