import {
  cString,
  type ElfFile,
  type SectionHeader,
  SHN_UNDEF,
  SHT_STRTAB,
  SHT_SYMTAB,
  sectionBytes,
} from './elf.ts';

const SYM_BYTES = 16;
const STT_NOTYPE = 0;
const STT_FUNC = 2;
const SHN_LORESERVE = 0xff00;
const SHF_EXECINSTR = 4;

/** A place in the image: the nearest symbol at or below an address. */
export interface SymbolHit {
  readonly name: string;
  /** Bytes from the symbol to the address. */
  readonly offset: number;
}

/** Names of code addresses, for stack traces. Built from the image's SHT_SYMTAB. */
export interface SymbolTable {
  /** Number of symbols; 0 for a stripped image. */
  readonly count: number;
  /** @returns the code symbol that covers the linear address, or null outside all of the image's code */
  lookup(address: number): SymbolHit | null;
  /** @returns where the code of that name is, or null */
  find(name: string): CodeSymbol | null;
}

/** A named stretch of code. */
export interface CodeSymbol {
  readonly address: number;
  readonly name: string;
  /** One past its last address. */
  readonly end: number;
}

/** The symbol and string tables of an image, or null when it has none or they are not in the file. */
export function findSymbolTables(elf: ElfFile): { symtab: SectionHeader; strtab: SectionHeader } | null {
  const symtab = elf.sectionHeaders.find((header) => header.type === SHT_SYMTAB);
  if (!symtab) return null;
  const strtab = elf.sectionHeaders[symtab.link];
  if (!strtab || strtab.type !== SHT_STRTAB) return null;
  const bothInFile = [symtab, strtab].every((header) => header.offset + header.size <= elf.bytes.length);
  return bothInFile ? { symtab, strtab } : null;
}

/**
 * Collects the image's code symbols.
 * @param elf parsed file; a stripped one gives an empty table
 * A symbol without a size reaches to the next one, but not past its section.
 */
export function readSymbols(elf: ElfFile): SymbolTable {
  // Kernels have tens of thousands, and most runs never ask for one.
  let collected: readonly CodeSymbol[] | null = null;
  return symbolTable(() => {
    collected ??= collect(elf);
    return collected;
  });
}

/** @param all the symbols, by rising address */
export function symbolTable(all: () => readonly CodeSymbol[]): SymbolTable {
  return {
    get count(): number {
      return all().length;
    },
    lookup(address: number): SymbolHit | null {
      const symbols = all();
      let low = 0;
      let high = symbols.length;
      while (low < high) {
        const middle = (low + high) >> 1;
        if (symbols[middle].address <= address) low = middle + 1;
        else high = middle;
      }
      const found = symbols[low - 1];
      if (!found || address >= found.end) return null;
      return { name: found.name, offset: address - found.address };
    },
    find(name: string): CodeSymbol | null {
      return all().find((symbol) => symbol.name === name) ?? null;
    },
  };
}

function collect(elf: ElfFile): CodeSymbol[] {
  const tables = findSymbolTables(elf);
  if (!tables) return [];
  const bytes = sectionBytes(elf, tables.symtab);
  const names = sectionBytes(elf, tables.strtab);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const found: { address: number; name: string; size: number; sectionEnd: number }[] = [];
  for (let at = 0; at + SYM_BYTES <= bytes.length; at += SYM_BYTES) {
    const type = view.getUint8(at + 12) & 15;
    const shndx = view.getUint16(at + 14, true);
    if (shndx === SHN_UNDEF || shndx >= SHN_LORESERVE) continue;
    const section = elf.sectionHeaders[shndx];
    if (!section || (section.flags & SHF_EXECINSTR) === 0) continue;
    if (type !== STT_FUNC && type !== STT_NOTYPE) continue;
    const name = cString(names, view.getUint32(at, true));
    if (name === '') continue;
    const address = view.getUint32(at + 4, true);
    found.push({
      address,
      name,
      size: view.getUint32(at + 8, true),
      sectionEnd: section.addr + section.size,
    });
  }
  found.sort((a, b) => a.address - b.address || b.size - a.size);
  const distinct = found.filter((symbol, i) => i === 0 || symbol.address !== found[i - 1].address);
  return distinct.map(({ address, name, size, sectionEnd }, i) => ({
    address,
    name,
    end: size > 0 ? address + size : Math.min(distinct[i + 1]?.address ?? sectionEnd, sectionEnd),
  }));
}
