import { XEN_LEGACY_SECTION } from '@domu/xen-abi';
import { planDomain } from '../builder/build.ts';
import type { Layout } from '../builder/layout.ts';
import { cString } from '../elf/elf.ts';
import { featureNames, offeredFeatures, wantsTranslation } from '../elf/features.ts';
import { parseGuestSection } from '../elf/guest-section.ts';
import { loadKernel } from '../elf/kernel.ts';
import type { XenInfo } from '../elf/xen-info.ts';
import { infoFromNotes, xenNotes } from '../elf/xen-notes.ts';
import type { Result } from '../result.ts';
import { bzImagePayload, unpackBzImage } from '../unpack/bzimage.ts';
import { compressionOf, unpack } from '../unpack/unpack.ts';
import { adviceFor } from './advice.ts';
import { type BzImageHeader, readBzImageHeader } from './bzimage-header.ts';
import { type ElfSummary, type SummarisedElf, summariseElf } from './elf-summary.ts';
import { type FileKind, fileKind, interpreterOf } from './file-kind.ts';
import { type XenNoteText, xenNoteText } from './xen-note-text.ts';

/** One feature that a kernel names or that is offered. */
export interface FeatureReport {
  readonly name: string;
  readonly required: boolean;
  readonly supported: boolean;
  /** A domU has it here, in the kind of paging that this kernel would get. */
  readonly offered: boolean;
}

/** What a kernel says to Xen. */
export interface XenReport {
  /** Where it says so: ELF notes, or the section that was there before them. */
  readonly source: XenInfo['source'];
  readonly notes: readonly XenNoteText[];
  readonly features: readonly FeatureReport[];
  /** Required features that Xen never had. */
  readonly unknownRequired: readonly string[];
}

/** How the pages of a domain with this kernel would be used. */
export interface LayoutReport {
  readonly memoryMiB: number;
  readonly paging: 'direct' | 'translated';
  readonly layout: Layout;
}

/** Whether a domain can be built from the file here. */
export type BootReport =
  | { readonly ok: true }
  /** One line each: what is wrong and was expected, and what to do about it. */
  | { readonly ok: false; readonly why: string; readonly advice: string };

/** What `inspectImage` finds out about a file. */
export interface ImageReport {
  readonly kind: FileKind;
  readonly bytes: number;
  /** What a script's first line names. */
  readonly interpreter: string | null;
  readonly linux: BzImageHeader | null;
  /** What is packed into the file, if it could be unpacked. */
  readonly packed: { readonly compression: string; readonly bytes: number; readonly kind: FileKind } | null;
  readonly elf: ElfSummary | null;
  readonly xen: XenReport | null;
  readonly plan: LayoutReport | null;
  readonly boot: BootReport;
}

/** The domain that one thinks of when one asks. */
export interface InspectOptions {
  readonly memoryMiB: number;
  readonly ramdiskBytes?: number;
  /** 1 << XENFEAT_* that the configuration wants the kernel to use. */
  readonly wantedFeatures?: number;
}

const MORE_MEMORY = 'give the guest more memory: --memory MiB';

/**
 * Tells what a file is, what it says to Xen and whether a domain can be built from it. Never throws.
 * @param bytes the whole file
 */
export function inspectImage(bytes: Uint8Array, options: InspectOptions): ImageReport {
  const kind = fileKind(bytes);
  const unpacked = unpackImage(bytes, kind);
  const image = unpacked === null ? bytes : unpacked.ok ? unpacked.value : null;
  const elf = image === null ? null : summariseElf(image);
  const wanted = options.wantedFeatures ?? 0;
  const xen = elf === null ? null : xenReport(elf, wanted);
  const { plan, problem } = tryToBuild(
    unpacked?.ok === false ? unpacked : { ok: true, value: image ?? bytes },
    options,
  );
  const facts = {
    kind,
    bytes: bytes.length,
    interpreter: kind === 'script' ? interpreterOf(bytes) : null,
    linux: kind === 'bzimage' ? readBzImageHeader(bytes) : null,
    packed: unpacked?.ok ? packedReport(bytes, kind, unpacked.value) : null,
    elf: elf?.summary ?? null,
    xen: xen?.report ?? null,
    plan,
  };
  if (problem === null) return { ...facts, boot: { ok: true } };
  const { why, moreMemory } = problem;
  const advice = moreMemory ? MORE_MEMORY : adviceFor(facts, xen?.info ?? null);
  return { ...facts, boot: { ok: false, why, advice } };
}

/** @returns what a compressed file holds; null when it is not one */
function unpackImage(bytes: Uint8Array, kind: FileKind): Result<Uint8Array> | null {
  if (kind === 'bzimage') return unpackBzImage(bytes);
  return kind === 'compressed' ? unpack(bytes) : null;
}

function packedReport(bytes: Uint8Array, kind: FileKind, content: Uint8Array): ImageReport['packed'] {
  const payload = kind === 'bzimage' ? bzImagePayload(bytes) : null;
  const compression = payload?.ok ? payload.value.compression : compressionOf(bytes);
  return { compression: compression ?? 'unknown', bytes: content.length, kind: fileKind(content) };
}

function xenReport(elf: SummarisedElf, wanted: number): { info: XenInfo; report: XenReport } | null {
  const [notes] = [elf.noteSegments, elf.noteSections]
    .map((blobs) => blobs.flatMap(xenNotes))
    .filter((found) => found.length > 0);
  if (notes !== undefined) {
    const info = infoFromNotes(notes);
    return { info, report: { ...describe(info, wanted), notes: notes.map(xenNoteText) } };
  }
  const legacy = elf.sectionBytes(XEN_LEGACY_SECTION);
  if (legacy === null) return null;
  const info = parseGuestSection(legacy);
  const pairs = cString(legacy)
    .replace(/[^\x20-\x7e]/g, '?')
    .split(',')
    .filter((pair) => pair !== '')
    .map((pair) => {
      const [name, ...value] = pair.split('=');
      return { name, value: value.join('=') };
    });
  return { info, report: { ...describe(info, wanted), notes: pairs } };
}

function describe(info: XenInfo, wanted: number): Omit<XenReport, 'notes'> {
  const { supported, required } = info.features;
  const offered = offeredFeatures({ translated: wantsTranslation(required | wanted) });
  const named = featureNames(supported | required | offered);
  const has = (bits: number): ((name: string) => boolean) => {
    const names = new Set(featureNames(bits));
    return (name) => names.has(name);
  };
  const [isRequired, isSupported, isOffered] = [required | wanted, supported, offered].map(has);
  return {
    source: info.source,
    features: named.map((name) => ({
      name,
      required: isRequired(name),
      supported: isSupported(name),
      offered: isOffered(name),
    })),
    unknownRequired: info.unknownRequired.map((name) => name.replace(/[^\x20-\x7e]/g, '?')),
  };
}

/** Goes as far as a domain's builder can without a domain. */
function tryToBuild(
  image: Result<Uint8Array>,
  { memoryMiB, ramdiskBytes = 0, wantedFeatures }: InspectOptions,
): { plan: LayoutReport | null; problem: { why: string; moreMemory: boolean } | null } {
  const refuse = (why: string, moreMemory: boolean) => ({ plan: null, problem: { why, moreMemory } });
  if (!image.ok) return refuse(image.error, false);
  const kernel = loadKernel(image.value, wantedFeatures);
  if (!kernel.ok) return refuse(kernel.error, false);
  const ramdisk = ramdiskBytes > 0 ? { length: ramdiskBytes } : null;
  const layout = planDomain({ kernel: kernel.value, ramdisk, memoryMiB });
  if (!layout.ok) return refuse(layout.error.message, layout.error.about === 'memory');
  const paging = kernel.value.translated ? 'translated' : 'direct';
  return { plan: { memoryMiB, paging, layout: layout.value }, problem: null };
}
