import { fail, hex, ok, quote, type Result } from '../result.ts';
import { isBzImage, unpackBzImage } from '../unpack/bzimage.ts';
import { compressionOf, unpack } from '../unpack/unpack.ts';
import { buildBsdSymtab } from './bsd-symtab.ts';
import { type ElfFile, PT_LOAD, parseElf } from './elf.ts';
import { featureNames, featuresNotOffered, wantsTranslation } from './features.ts';
import { readSymbols, type SymbolTable } from './symbols.ts';
import type { PaeMode, XenInfo } from './xen-info.ts';
import { readXenInfo } from './xen-notes.ts';

const PVH_KERNEL = 'a PVH kernel (its only entry is PHYS32_ENTRY); expected a Xen PV kernel';

/** Bytes of the file that go to a linear address of the initial mapping. */
export interface KernelSegment {
  readonly va: number;
  readonly bytes: Uint8Array;
}

/** A 32-bit Xen PV kernel, checked and ready for the domain builder. Addresses are linear and unsigned. */
export interface Kernel {
  /** As the kernel names itself, for messages: "GRUB", "linux 2.6". */
  readonly guestOs: string;
  readonly pae: PaeMode;
  /** Runs in translated paging: because it insists, or because the configuration wants it. */
  readonly translated: boolean;
  /** Linear address of pseudo-physical page 0. */
  readonly virtBase: number;
  /** First and one-past-last linear address of the image, bss and BSD symbol table included. */
  readonly start: number;
  readonly end: number;
  readonly entry: number;
  readonly hypercallPage: number | null;
  readonly unmappedInitrd: boolean;
  /** In load order; the rest of start…end is zero. */
  readonly segments: readonly KernelSegment[];
  readonly symbols: SymbolTable;
}

/**
 * Reads a kernel file and checks that a domU can be built from it.
 * @param bytes the whole file: an ELF file, one that is compressed, or a bzImage; segments are views into what it holds
 * @param wantedFeatures 1 << XENFEAT_* that the configuration wants the kernel to use
 * @returns the kernel, or one line that says what is wrong and what was expected; never throws
 * Source: xen/common/libelf/libelf-dominfo.c, elf_xen_parse and its checks
 */
export function loadKernel(bytes: Uint8Array, wantedFeatures: number = 0): Result<Kernel> {
  const image = unpackKernel(bytes);
  if (!image.ok) return image;
  const elf = parseElf(image.value);
  if (!elf.ok) return elf;
  const info = readXenInfo(elf.value);
  if (!info) {
    return fail(
      'an ELF file without Xen notes or a __xen_guest section: a kernel for HVM or bare metal cannot boot here; expected a Xen PV kernel',
    );
  }
  return (
    checkInfo(info) ??
    checkFeatures(info, wantedFeatures) ??
    place(elf.value, info, wantsTranslation(info.features.required | wantedFeatures))
  );
}

/** The ELF file that a kernel file holds: itself, in a bzImage, or compressed. */
export function unpackKernel(bytes: Uint8Array): Result<Uint8Array> {
  if (isBzImage(bytes)) return unpackBzImage(bytes);
  return compressionOf(bytes) === null ? ok(bytes) : unpack(bytes);
}

function checkInfo(info: XenInfo): Result<never> | null {
  if (info.physEntry !== null && info.entry === null && info.virtBase === null) {
    return fail(PVH_KERNEL);
  }
  if (!info.loader.startsWith('generic') && !info.guestOs.startsWith('linux')) {
    return fail(
      `LOADER ${quote(info.loader)} and GUEST_OS ${quote(info.guestOs)} in the Xen notes; expected LOADER "generic" or GUEST_OS "linux"`,
    );
  }
  if (!info.xenVersion.startsWith('xen-3.0')) {
    return fail(`XEN_VERSION ${quote(info.xenVersion)} in the Xen notes; expected "xen-3.0"`);
  }
  if (info.paddrOffset !== null && info.virtBase === null) {
    return fail('PADDR_OFFSET without VIRT_BASE in the Xen notes; expected both or none');
  }
  return null;
}

function checkFeatures({ features, unknownRequired }: XenInfo, wanted: number): Result<never> | null {
  const unable = featureNames(wanted & ~features.supported);
  if (unable.length > 0) {
    return fail(`FEATURES without ${unable.join(', ')}; expected what the configuration's features name`);
  }
  const translated = wantsTranslation(features.required | wanted);
  const missing = [
    ...unknownRequired.map(quote),
    ...featuresNotOffered(features.required | wanted, { translated }),
  ];
  if (missing.length === 0) return null;
  return fail(`FEATURES: the kernel requires ${missing.join(', ')}; expected what a domU is offered here`);
}

function place(elf: ElfFile, info: XenInfo, translated: boolean): Result<Kernel> {
  const loads = elf.programHeaders.filter((header) => header.type === PT_LOAD && header.memsz > 0);
  if (loads.length === 0) return fail('an ELF file without loadable segments; expected a linked kernel');
  const virtBase = info.virtBase ?? 0;
  // Kernels with the legacy section carry linear addresses in p_paddr; notes mean real pseudo-physical ones.
  const paddrOffset = info.paddrOffset ?? (info.source === 'notes' ? 0 : virtBase);
  const virtOffset = virtBase - paddrOffset;
  const start = Math.min(...loads.map((header) => header.paddr)) + virtOffset;
  const loadedEnd = Math.max(...loads.map((header) => header.paddr + header.memsz)) + virtOffset;
  const segments = loads.map((header) => ({
    va: header.paddr + virtOffset,
    bytes: elf.bytes.subarray(header.offset, header.offset + header.filesz),
  }));
  // Overlapping segments are legal, but must not make the loader copy the image over and over.
  if (segments.reduce((sum, segment) => sum + segment.bytes.length, 0) > 2 * (loadedEnd - start)) {
    return fail('segments that overlap more than once; expected a linked kernel');
  }
  let end = loadedEnd;
  const symtab = info.bsdSymtab ? buildBsdSymtab(elf) : null;
  if (symtab) {
    const at = Math.ceil(loadedEnd / 4) * 4;
    segments.push({ va: at, bytes: symtab });
    end = at + symtab.length;
  }
  const entry = info.entry ?? elf.entry;
  const range = `${hex(start)} to ${hex(end)}`;
  if (start < virtBase || end > 2 ** 32) {
    return fail(`the image reaches from ${range}; expected it between VIRT_BASE ${hex(virtBase)} and 4 GiB`);
  }
  if (entry < start || entry > end) {
    // Linux since 5.9 has all notes of a PV kernel but this one.
    if (info.entry === null && info.physEntry !== null) return fail(PVH_KERNEL);
    return fail(`entry point ${hex(entry)} lies outside the image; expected it in ${range}`);
  }
  if (info.hypercallPage !== null && (info.hypercallPage < start || info.hypercallPage >= end)) {
    return fail(`HYPERCALL_PAGE ${hex(info.hypercallPage)} lies outside the image; expected it in ${range}`);
  }
  return ok({
    guestOs: [info.guestOs, info.guestVersion].filter((part) => part !== '').join(' '),
    pae: info.pae,
    translated,
    virtBase,
    start,
    end,
    entry,
    hypercallPage: info.hypercallPage,
    unmappedInitrd: info.unmappedInitrd,
    segments,
    symbols: readSymbols(elf),
  });
}
