import type { Layout, TablePlan } from './layout.ts';
import { PAGE_BYTES } from './layout.ts';

const _PAGE_PRESENT = 1;
const _PAGE_RW = 2;
const _PAGE_USER = 4;
const _PAGE_ACCESSED = 0x20;
const _PAGE_DIRTY = 0x40;

const L1_FLAGS: number = _PAGE_PRESENT | _PAGE_RW | _PAGE_ACCESSED;
/** In direct paging tables are mapped read-only: a writable mapping would keep them from becoming page tables. */
const L1_FLAGS_TABLE: number = _PAGE_PRESENT | _PAGE_ACCESSED;
const UPPER_FLAGS: number = _PAGE_PRESENT | _PAGE_RW | _PAGE_ACCESSED | _PAGE_DIRTY | _PAGE_USER;
/** Of a PAE root that the processor itself could use. */
const L3_FLAGS_TRANSLATED: number = _PAGE_PRESENT;

/** Where the builder's page tables get their frame numbers from and where they are written. */
export interface TableMemory {
  /** mfn of a pfn of the new domain. */
  readonly p2m: ArrayLike<number>;
  /** The 4096 bytes of a frame, zero so far. */
  frame(mfn: number): Uint8Array;
}

/**
 * Writes the initial page tables: pages 0 … mappedPages-1 from virtBase up, with machine frame numbers in direct paging,
 * with the pages' own numbers in translated.
 * @param memory the domain's frames; those of `layout.tables` must be zero
 * Source: tools/libs/guest/xg_dom_x86.c, setup_pgtables_pv and lvl_prot; tools/libxc/xc_linux_build.c, setup_pg_tables
 *   and setup_pg_tables_pae @ 3.0.3
 */
export function writePageTables(layout: Layout, memory: TableMemory): void {
  for (const table of layout.tables) {
    const entries = new EntryWriter(layout, memory, table);
    if (table.level === 1) mapPages(layout, memory, table, entries);
    else linkTables(layout, memory, table, entries);
  }
}

function mapPages(layout: Layout, memory: TableMemory, table: TablePlan, entries: EntryWriter): void {
  const { pageTables, virtBase } = layout;
  for (let slot = 0; slot < entries.count; slot++) {
    const pfn = (table.va - virtBase) / PAGE_BYTES + slot;
    if (pfn < 0 || pfn >= layout.mappedPages) continue;
    const isTable = pfn >= pageTables.pfn && pfn < pageTables.pfn + pageTables.pages;
    entries.set(
      slot,
      frameName(layout, memory, pfn),
      isTable && !layout.sharedInfo ? L1_FLAGS_TABLE : L1_FLAGS,
    );
  }
}

function linkTables(layout: Layout, memory: TableMemory, table: TablePlan, entries: EntryWriter): void {
  const span = spanOf(layout, table.level - 1);
  const flags = table.level === 3 && layout.sharedInfo ? L3_FLAGS_TRANSLATED : UPPER_FLAGS;
  for (const child of layout.tables) {
    if (child.level !== table.level - 1) continue;
    const slot = (child.va - table.va) / span;
    if (slot >= 0 && slot < entries.count) entries.set(slot, frameName(layout, memory, child.pfn), flags);
  }
}

/** @returns what the domain calls its page `pfn`: a machine frame, or in translated paging the pfn */
export function frameName(layout: Layout, memory: Pick<TableMemory, 'p2m'>, pfn: number): number {
  return layout.sharedInfo ? pfn : memory.p2m[pfn];
}

/** Bytes of address space that one table of a level covers. */
function spanOf(layout: Layout, level: number): number {
  if (layout.mode === 'classic') return level === 1 ? 2 ** 22 : 2 ** 32;
  return level === 1 ? 2 ** 21 : level === 2 ? 2 ** 30 : 2 ** 32;
}

/** Entries of one table: 8 bytes in PAE tables (4 of them in the root), 4 bytes in classic ones. */
class EntryWriter {
  readonly count: number;
  readonly #view: DataView;
  readonly #entryBytes: number;

  constructor(layout: Layout, memory: TableMemory, table: TablePlan) {
    const bytes = memory.frame(memory.p2m[table.pfn]);
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, PAGE_BYTES);
    this.#entryBytes = layout.mode === 'pae' ? 8 : 4;
    this.count = layout.mode === 'pae' && table.level === 3 ? 4 : PAGE_BYTES / this.#entryBytes;
  }

  set(slot: number, mfn: number, flags: number): void {
    this.#view.setUint32(slot * this.#entryBytes, (mfn << 12) | flags, true);
    if (this.#entryBytes === 8) this.#view.setUint32(slot * 8 + 4, mfn >>> 20, true);
  }
}
