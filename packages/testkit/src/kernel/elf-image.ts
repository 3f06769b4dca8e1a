/** Sizes of the ELF32 structures. Source: System V ABI, "Object Files" */
const EHDR_BYTES = 52;
const PHDR_BYTES = 32;
const SHDR_BYTES = 40;
export const PT_LOAD = 1;
export const PT_NOTE = 4;

/** A note to be put into a test ELF. */
export interface TestNote {
  type: number;
  desc: string | number;
  name?: string;
}

/** A segment of a test ELF; `memsz` defaults to the bytes' length, `vaddr` to `paddr`. */
export interface TestSegment {
  type?: number;
  paddr: number;
  vaddr?: number;
  bytes: Uint8Array;
  memsz?: number;
}

/** A section of a test ELF. */
export interface TestSection {
  name: string;
  type: number;
  bytes: Uint8Array;
  addr?: number;
  flags?: number;
  link?: number;
  entsize?: number;
}

/** Encodes notes as a PT_NOTE segment or SHT_NOTE section holds them; a string desc gets its NUL. */
export function encodeNotes(notes: readonly TestNote[]): Uint8Array {
  const out: number[] = [];
  const u32 = (value: number): void => {
    for (let i = 0; i < 4; i++) out.push((value >>> (8 * i)) & 255);
  };
  const padded = (bytes: readonly number[]): void => {
    out.push(...bytes);
    while (out.length % 4 !== 0) out.push(0);
  };
  for (const note of notes) {
    const name = cBytes(note.name ?? 'Xen');
    const desc =
      typeof note.desc === 'string'
        ? cBytes(note.desc)
        : [0, 8, 16, 24].map((shift) => ((note.desc as number) >>> shift) & 255);
    u32(name.length);
    u32(desc.length);
    u32(note.type);
    padded(name);
    padded(desc);
  }
  return Uint8Array.from(out);
}

/** Writes an ELF32 i386 executable from segments and sections (a null and a .shstrtab section are added). */
export function buildElf(options: {
  segments: TestSegment[];
  sections?: TestSection[];
  entry?: number;
}): Uint8Array {
  const { segments, sections = [], entry = 0 } = options;
  const names = [...'\0'];
  const nameOffsets = [...sections.map((section) => section.name), '.shstrtab'].map((name) => {
    const at = names.length;
    names.push(...name, '\0');
    return at;
  });
  const nameBytes = Uint8Array.from(names.join(''), (c) => c.charCodeAt(0));
  const withSections = sections.length > 0;
  const contents = [
    ...segments.map((s) => s.bytes),
    ...sections.map((s) => s.bytes),
    ...(withSections ? [nameBytes] : []),
  ];
  let at = EHDR_BYTES + segments.length * PHDR_BYTES;
  const offsets = contents.map((bytes) => {
    const offset = at;
    at += Math.ceil(bytes.length / 4) * 4;
    return offset;
  });
  const shoff = withSections ? at : 0;
  const shnum = withSections ? sections.length + 2 : 0;
  const file = new Uint8Array(at + shnum * SHDR_BYTES);
  const view = new DataView(file.buffer);
  const words = (offset: number, ...values: number[]): void => {
    values.forEach((value, i) => {
      view.setUint32(offset + 4 * i, value, true);
    });
  };
  file.set([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1], 0);
  words(16, (3 << 16) | 2, 1, entry, EHDR_BYTES, shoff, 0);
  [EHDR_BYTES, PHDR_BYTES, segments.length, SHDR_BYTES, shnum, withSections ? shnum - 1 : 0].forEach(
    (value, i) => {
      view.setUint16(40 + 2 * i, value, true);
    },
  );
  contents.forEach((bytes, i) => {
    file.set(bytes, offsets[i]);
  });
  segments.forEach((s, i) => {
    const size = s.bytes.length;
    words(
      EHDR_BYTES + i * PHDR_BYTES,
      s.type ?? PT_LOAD,
      offsets[i],
      s.vaddr ?? s.paddr,
      s.paddr,
      size,
      s.memsz ?? size,
      7,
      4096,
    );
  });
  sections.forEach((s, i) => {
    const header = shoff + (i + 1) * SHDR_BYTES;
    words(
      header,
      nameOffsets[i],
      s.type,
      s.flags ?? 0,
      s.addr ?? 0,
      offsets[segments.length + i],
      s.bytes.length,
    );
    words(header + 24, s.link ?? 0, 0, 4, s.entsize ?? 0);
  });
  if (withSections) {
    const header = shoff + (shnum - 1) * SHDR_BYTES;
    words(
      header,
      nameOffsets[sections.length],
      3,
      0,
      0,
      offsets[contents.length - 1],
      nameBytes.length,
      0,
      0,
      1,
      0,
    );
  }
  return file;
}

function cBytes(text: string): number[] {
  return [...text, '\0'].map((c) => c.charCodeAt(0));
}
