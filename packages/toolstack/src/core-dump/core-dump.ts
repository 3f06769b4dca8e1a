import { INVALID_M2P_ENTRY } from '@domu/xen-abi';
import { type Domain, describeXen, vcpuContext } from '@domu/xen-hypervisor';
import { concat, dumpNotes, u64s } from './notes.ts';

const PAGE_BYTES = 4096;
const EHDR_BYTES = 64;
const SHDR_BYTES = 64;
const ELFCLASS64 = 2;
const ELFDATA2LSB = 1;
const EV_CURRENT = 1;
const ET_CORE = 4;
const EM_386 = 3;
const SHT_PROGBITS = 1;
const SHT_STRTAB = 3;
const SHT_NOTE = 7;
const STRTAB_INDEX = 1;
/** Pages that are handed out in one piece. */
const PAGES_PER_CHUNK = 256;

interface Section {
  readonly name: string;
  readonly type: number;
  readonly bytes: number;
  readonly align: number;
  readonly entryBytes: number;
}

/** A page of the domain: its pseudo-physical number and its machine frame. */
interface DumpedPage {
  readonly pfn: number;
  readonly mfn: number;
}

/**
 * A core dump in Xen's ELF format: section headers only, no program headers; class 64 whatever the guest is. Pages come in
 * order of pfn; those that the guest gave no pfn are left out.
 * @param domain stopped; it stays as it is
 * @returns the file, piece by piece
 * Source: docs/misc/dump-core-format.txt, tools/libs/guest/xg_core.c @ RELEASE-4.18.0
 */
export function* coreDump(domain: Domain): Generator<Uint8Array> {
  const translated = domain.options.translated === true;
  const pages = pagesOf(domain, translated);
  const xen = describeXen(domain);
  const notes = dumpNotes(xen, {
    vcpus: domain.vcpus.filter((vcpu) => vcpu.initialised).length,
    pages: pages.length,
    pageSize: PAGE_BYTES,
  });
  const contexts = domain.vcpus
    .filter((vcpu) => vcpu.initialised)
    .map((vcpu) => new Uint8Array(vcpuContext(vcpu).buffer));
  const status = concat(contexts);
  const table = concat(pages.map(({ pfn, mfn }) => (translated ? u64s(pfn) : u64s(pfn, mfn))));
  const entryBytes = translated ? 8 : 16;
  const progbits = (name: string, bytes: number, align: number, entry: number): Section => ({
    name,
    type: SHT_PROGBITS,
    bytes,
    align,
    entryBytes: entry,
  });
  const sections: Section[] = [
    { name: '.note.Xen', type: SHT_NOTE, bytes: notes.length, align: 0, entryBytes: 0 },
    progbits('.xen_prstatus', status.length, 4, contexts[0]?.length ?? 0),
    progbits('.xen_shared_info', PAGE_BYTES, 8, PAGE_BYTES),
    progbits('.xen_pages', pages.length * PAGE_BYTES, PAGE_BYTES, PAGE_BYTES),
    progbits(translated ? '.xen_pfn' : '.xen_p2m', table.length, 8, entryBytes),
  ];
  const { memory } = domain.machine;
  const { header, padding, names } = layOut(sections);
  yield header;
  yield notes;
  yield status;
  yield memory.frame(domain.sharedInfo).slice();
  yield new Uint8Array(padding);
  for (let i = 0; i < pages.length; i += PAGES_PER_CHUNK) {
    yield concat(pages.slice(i, i + PAGES_PER_CHUNK).map(({ mfn }) => memory.frame(mfn)));
  }
  yield table;
  yield names;
}

function pagesOf(domain: Domain, translated: boolean): DumpedPage[] {
  const { frames, m2p } = domain.machine;
  const pages: DumpedPage[] = [];
  frames.forEachFrame(domain.id, (mfn) => {
    const pfn = translated ? domain.paging.toGfn(mfn) : m2p.get(mfn);
    if (pfn !== INVALID_M2P_ENTRY) pages.push({ pfn, mfn });
  });
  return pages.sort((a, b) => a.pfn - b.pfn || a.mfn - b.mfn);
}

/** ELF header and section headers of a file in which the sections follow in order, .xen_pages at a page's border. */
function layOut(sections: readonly Section[]): { header: Uint8Array; padding: number; names: Uint8Array } {
  const names = ['', '.shstrtab', ...sections.map(({ name }) => name)].map((name) => `${name}\0`);
  const strings = new TextEncoder().encode(names.join(''));
  const nrHeaders = sections.length + 2;
  const header = new Uint8Array(EHDR_BYTES + nrHeaders * SHDR_BYTES);
  const view = new DataView(header.buffer);
  writeElfHeader(view, nrHeaders);
  let offset = header.length;
  let padding = 0;
  let nameAt = names[0].length + names[1].length;
  for (const [i, section] of sections.entries()) {
    if (section.align === PAGE_BYTES) {
      padding = -offset & (PAGE_BYTES - 1);
      offset += padding;
    }
    writeSectionHeader(view, i + 2, { ...section, nameAt, offset });
    nameAt += section.name.length + 1;
    offset += section.bytes;
  }
  writeSectionHeader(view, STRTAB_INDEX, {
    type: SHT_STRTAB,
    bytes: strings.length,
    align: 0,
    entryBytes: 0,
    nameAt: names[0].length,
    offset,
  });
  return { header, padding, names: strings };
}

function writeElfHeader(view: DataView, nrSections: number): void {
  const ident = [0x7f, 0x45, 0x4c, 0x46, ELFCLASS64, ELFDATA2LSB, EV_CURRENT];
  for (const [i, byte] of ident.entries()) view.setUint8(i, byte);
  view.setUint16(16, ET_CORE, true);
  view.setUint16(18, EM_386, true);
  view.setUint32(20, EV_CURRENT, true);
  view.setUint32(40, EHDR_BYTES, true); // e_shoff
  view.setUint16(52, EHDR_BYTES, true); // e_ehsize
  view.setUint16(58, SHDR_BYTES, true); // e_shentsize
  view.setUint16(60, nrSections, true);
  view.setUint16(62, STRTAB_INDEX, true);
}

function writeSectionHeader(
  view: DataView,
  index: number,
  section: Omit<Section, 'name'> & { readonly nameAt: number; readonly offset: number },
): void {
  const at = EHDR_BYTES + index * SHDR_BYTES;
  const u64 = (offset: number, value: number): void => view.setBigUint64(at + offset, BigInt(value), true);
  view.setUint32(at, section.nameAt, true);
  view.setUint32(at + 4, section.type, true);
  u64(24, section.offset);
  u64(32, section.bytes);
  u64(48, section.align);
  u64(56, section.entryBytes);
}
