import { cString, PT_NOTE, SHT_NOBITS, SHT_NOTE } from '../elf/elf.ts';
import { hex } from '../result.ts';

/** Where the fields of a class of ELF files lie. Source: System V ABI (gABI 4.1), "Object Files" */
interface Form {
  readonly bits: 32 | 64;
  readonly headerBytes: number;
  /** e_entry, e_phoff, e_shoff, each of the class's word size, in a row. */
  readonly entryAt: number;
  /** e_phentsize, e_phnum, e_shentsize, e_shnum, e_shstrndx, two bytes each. */
  readonly countsAt: number;
  /** Offsets in a program header: p_flags, p_offset, p_paddr, p_filesz, p_memsz. */
  readonly segment: readonly [number, number, number, number, number];
  readonly segmentBytes: number;
  /** Offsets in a section header: sh_offset, sh_size, sh_addr. */
  readonly section: readonly [number, number, number];
  readonly sectionBytes: number;
}

const FORM32: Form = {
  bits: 32,
  headerBytes: 52,
  entryAt: 24,
  countsAt: 42,
  segment: [24, 4, 12, 16, 20],
  segmentBytes: 32,
  section: [16, 20, 12],
  sectionBytes: 40,
};
const FORM64: Form = {
  bits: 64,
  headerBytes: 64,
  entryAt: 24,
  countsAt: 54,
  segment: [4, 8, 24, 32, 40],
  segmentBytes: 56,
  section: [24, 32, 16],
  sectionBytes: 64,
};

/** Names of e_machine that one meets. Source: System V ABI, "Machine Information" */
const MACHINES: Readonly<Record<number, string>> = {
  2: 'SPARC',
  3: 'i386',
  8: 'MIPS',
  20: 'PowerPC',
  21: 'PowerPC 64',
  22: 'S/390',
  40: 'ARM',
  50: 'IA-64',
  62: 'x86-64',
  183: 'AArch64',
  243: 'RISC-V',
  247: 'eBPF',
  258: 'LoongArch',
};
const TYPES: readonly string[] = ['no type', 'relocatable', 'executable', 'shared object', 'core dump'];
const SEGMENT_TYPES: Readonly<Record<number, string>> = {
  0: 'NULL',
  1: 'LOAD',
  2: 'DYNAMIC',
  3: 'INTERP',
  4: 'NOTE',
  6: 'PHDR',
  7: 'TLS',
  1685382480: 'GNU_EH_FRAME',
  1685382481: 'GNU_STACK',
  1685382482: 'GNU_RELRO',
  1685382483: 'GNU_PROPERTY',
};
const PT_INTERP = 3;

/** A program header, its numbers as 0x… because those of 64-bit files need not fit a number. */
export interface SegmentSummary {
  readonly type: string;
  readonly offset: string;
  readonly address: string;
  readonly fileBytes: number;
  readonly memoryBytes: number;
  /** As in "rwx", with - for what is not allowed. */
  readonly access: string;
}

/** What an ELF file of any class and machine is. */
export interface ElfSummary {
  readonly bits: 32 | 64;
  readonly endianness: 'little' | 'big';
  readonly machine: string;
  readonly type: string;
  readonly entry: string;
  readonly segments: readonly SegmentSummary[];
  /** Names of the sections that have one. */
  readonly sections: readonly string[];
  /** The dynamic linker that a program asks for; null for what needs none, as kernels. */
  readonly interpreter: string | null;
}

/** An ELF file's summary with the bytes that may tell more. */
export interface SummarisedElf {
  readonly summary: ElfSummary;
  readonly noteSegments: readonly Uint8Array[];
  readonly noteSections: readonly Uint8Array[];
  /** Bytes of a section by its name; null when there is none. */
  sectionBytes(name: string): Uint8Array | null;
}

/**
 * Reads what it can of an ELF file's headers: tables that lie outside of the file count as empty.
 * @returns null when there is no ELF header
 */
export function summariseElf(bytes: Uint8Array): SummarisedElf | null {
  if (bytes.length < FORM32.headerBytes || cString(bytes.subarray(1, 4)) !== 'ELF' || bytes[0] !== 0x7f)
    return null;
  const form = bytes[4] === 2 ? FORM64 : FORM32;
  if (bytes.length < form.headerBytes) return null;
  const reader = new Reader(bytes, form);
  const [phoff, shoff] = [1, 2].map((i) => reader.word(form.entryAt + (i * form.bits) / 8));
  const [phentsize, phnum, shentsize, shnum, shstrndx] = [0, 2, 4, 6, 8].map((at) =>
    reader.u16(form.countsAt + at),
  );
  const segments = reader.table(phoff, phentsize, phnum, form.segmentBytes).map((at) => reader.segment(at));
  const headers = reader.table(shoff, shentsize, shnum, form.sectionBytes).map((at) => reader.section(at));
  const names = headers[shstrndx]?.bytes ?? new Uint8Array(0);
  const sections = headers.map((header) => ({ ...header, name: cString(names, header.nameAt) }));
  const interpreter = segments.find(({ type }) => type === PT_INTERP);
  return {
    summary: {
      bits: form.bits,
      endianness: reader.little ? 'little' : 'big',
      machine: MACHINES[reader.u16(18)] ?? `machine type ${reader.u16(18)}`,
      type: TYPES[reader.u16(16)] ?? `type ${reader.u16(16)}`,
      entry: reader.hexWord(form.entryAt),
      segments: segments.map(({ shown }) => shown),
      sections: sections.map(({ name }) => name).filter((name) => name !== ''),
      interpreter: interpreter ? cString(interpreter.bytes) : null,
    },
    // Some binutils leave p_offset 0 in a note segment; it then points at the ELF header.
    noteSegments: segments
      .filter(({ type, offset }) => type === PT_NOTE && offset !== 0)
      .map((segment) => segment.bytes),
    noteSections: sections.filter(({ type }) => type === SHT_NOTE).map((section) => section.bytes),
    sectionBytes: (name) => sections.find((section) => section.name === name)?.bytes ?? null,
  };
}

interface RawSegment {
  readonly type: number;
  readonly offset: number;
  readonly bytes: Uint8Array;
  readonly shown: SegmentSummary;
}

interface RawSection {
  readonly type: number;
  readonly nameAt: number;
  readonly bytes: Uint8Array;
}

class Reader {
  readonly little: boolean;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #form: Form;

  constructor(bytes: Uint8Array, form: Form) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#form = form;
    this.little = bytes[5] !== 2;
  }

  u16(at: number): number {
    return this.#view.getUint16(at, this.little);
  }

  u32(at: number): number {
    return this.#view.getUint32(at, this.little);
  }

  /** A word of the file's class; what a number cannot hold exactly lies outside of every file anyway. */
  word(at: number): number {
    return this.#form.bits === 32 ? this.u32(at) : Number(this.#view.getBigUint64(at, this.little));
  }

  hexWord(at: number): string {
    if (this.#form.bits === 32) return hex(this.u32(at));
    return `0x${this.#view.getBigUint64(at, this.little).toString(16)}`;
  }

  /** @returns where the entries of a table are; none when they do not all lie in the file */
  table(offset: number, size: number, count: number, least: number): number[] {
    if (offset === 0 || size < least || offset + size * count > this.#bytes.length) return [];
    return Array.from({ length: count }, (_, i) => offset + i * size);
  }

  segment(at: number): RawSegment {
    const [flagsAt, offsetAt, paddrAt, fileszAt, memszAt] = this.#form.segment.map((field) => at + field);
    const type = this.u32(at);
    const flags = this.u32(flagsAt);
    const [offset, fileBytes] = [this.word(offsetAt), this.word(fileszAt)];
    const access = [...'rwx'].map((letter, i) => ((flags & (4 >> i)) !== 0 ? letter : '-')).join('');
    const shown = {
      type: SEGMENT_TYPES[type] ?? hex(type),
      offset: this.hexWord(offsetAt),
      address: this.hexWord(paddrAt),
      fileBytes,
      memoryBytes: this.word(memszAt),
      access,
    };
    return { type, offset, bytes: this.#within(offset, fileBytes), shown };
  }

  section(at: number): RawSection {
    const [offsetAt, sizeAt] = this.#form.section.map((field) => at + field);
    const type = this.u32(at + 4);
    const bytes =
      type === SHT_NOBITS ? new Uint8Array(0) : this.#within(this.word(offsetAt), this.word(sizeAt));
    return { type, nameAt: this.u32(at), bytes };
  }

  #within(offset: number, length: number): Uint8Array {
    return offset + length > this.#bytes.length
      ? new Uint8Array(0)
      : this.#bytes.subarray(offset, offset + length);
  }
}
