import { HYPERVISOR_VIRT_START, type PagingMode } from '@domu/xen-abi';
import type { Kernel } from '../elf/kernel.ts';
import { fail, hex, ok, type Result } from '../result.ts';

export const PAGE_BYTES = 4096;
const MIB = 1024 * 1024;
/** The initial mapping ends at a multiple of this ... */
const MAPPING_GRAIN_BYTES = 4 * MIB;
/** ... and leaves the kernel at least so much mapped memory behind its boot stack. */
const MIN_SLACK_BYTES = 512 * 1024;

/** Pages of the domain that belong together; `va` is the linear address of page `pfn`. */
export interface Region {
  readonly pfn: number;
  readonly pages: number;
  readonly va: number;
}

/** A page table and the part of the address space that it covers. */
export interface TablePlan {
  readonly level: 1 | 2 | 3;
  readonly pfn: number;
  /** First linear address covered. */
  readonly va: number;
}

/** Where everything lies in a new domain. Linear addresses rise with pfns from `virtBase`. */
export interface Layout {
  readonly mode: PagingMode;
  readonly virtBase: number;
  readonly nrPages: number;
  readonly kernel: Region;
  readonly initrd: Region | null;
  readonly initrdMapped: boolean;
  readonly p2m: Region;
  readonly startInfo: Region;
  readonly xenstore: Region;
  readonly console: Region;
  /** Where a translated domain finds struct shared_info; null in direct paging, where it is no memory of the domain's. */
  readonly sharedInfo: Region | null;
  /** All page tables, root first. */
  readonly pageTables: Region;
  readonly tables: readonly TablePlan[];
  readonly bootStack: Region;
  /** Pages 0 … mappedPages-1 are in the initial mapping. */
  readonly mappedPages: number;
}

/** Why a domain cannot be laid out; `about` tells whose fault it is. */
export interface LayoutError {
  readonly about: 'image' | 'memory';
  readonly message: string;
}

/**
 * Lays out a new domain: kernel, initrd, p2m list, start_info, xenstore page, console page, in translated paging the
 * shared_info page, page tables, boot stack, slack.
 * @param nrPages pages of the domain
 * @param initrdBytes length of the initial RAM disk, 0 for none
 * @returns the layout, or why the domain is too small or the kernel too high
 * Source: tools/libs/guest/xg_dom_core.c, xc_dom_build_image; xg_dom_x86.c, alloc_pgtables_pv
 */
export function computeLayout(
  kernel: Pick<Kernel, 'virtBase' | 'start' | 'end' | 'unmappedInitrd'> & { readonly translated?: boolean },
  mode: PagingMode,
  nrPages: number,
  initrdBytes: number,
): Result<Layout, LayoutError> {
  const { virtBase } = kernel;
  if (virtBase % PAGE_BYTES !== 0 || kernel.start % PAGE_BYTES !== 0) {
    return refuse(
      'image',
      `the image starts at ${hex(kernel.start)} over VIRT_BASE ${hex(virtBase)}; expected multiples of 0x1000`,
    );
  }
  let nextPfn = 0;
  const take = (pages: number): Region => {
    const region = { pfn: nextPfn, pages, va: virtBase + nextPfn * PAGE_BYTES };
    nextPfn += pages;
    return region;
  };
  take((kernel.start - virtBase) / PAGE_BYTES);
  const kernelRegion = take(pagesOf(kernel.end - kernel.start));
  const initrdMapped = initrdBytes > 0 && !kernel.unmappedInitrd;
  const mappedInitrd = initrdMapped ? take(pagesOf(initrdBytes)) : null;
  const p2m = take(pagesOf(nrPages * 4));
  const startInfo = take(1);
  const xenstore = take(1);
  const console = take(1);
  const sharedInfo = kernel.translated ? take(1) : null;
  const plan = planTables(mode, virtBase, nextPfn);
  const pageTables = take(plan.tables.length);
  const bootStack = take(1);
  nextPfn = plan.mappedPages;
  const initrd = mappedInitrd ?? (initrdBytes > 0 ? take(pagesOf(initrdBytes)) : null);
  const end = virtBase + plan.mappedPages * PAGE_BYTES;
  if (end > HYPERVISOR_VIRT_START[mode]) {
    const limit = hex(HYPERVISOR_VIRT_START[mode]);
    return refuse(
      'image',
      `the initial mapping would reach to ${hex(end)}; expected it below ${limit}, where Xen begins`,
    );
  }
  if (nextPfn > nrPages) {
    const needed = Math.ceil((nextPfn * PAGE_BYTES) / MIB);
    return refuse(
      'memory',
      `${(nrPages * PAGE_BYTES) / MIB} MiB are too little for the kernel; expected at least ${needed} MiB`,
    );
  }
  return ok({
    mode,
    virtBase,
    nrPages,
    kernel: kernelRegion,
    initrd,
    initrdMapped,
    p2m,
    startInfo,
    xenstore,
    console,
    sharedInfo,
    pageTables,
    tables: plan.tables,
    bootStack,
    mappedPages: plan.mappedPages,
  });
}

function refuse(about: LayoutError['about'], message: string): Result<never, LayoutError> {
  return fail({ about, message });
}

/** Grows the mapping until it holds its own page tables, the boot stack and the slack. */
function planTables(
  mode: PagingMode,
  virtBase: number,
  firstPfn: number,
): { tables: TablePlan[]; mappedPages: number } {
  const usedEnd = virtBase + firstPfn * PAGE_BYTES;
  const extraPages = 1 + MIN_SLACK_BYTES / PAGE_BYTES;
  let pages = extraPages;
  for (;;) {
    const wanted = usedEnd + pages * PAGE_BYTES;
    const end = (Math.floor(wanted / MAPPING_GRAIN_BYTES) + 1) * MAPPING_GRAIN_BYTES;
    const tables =
      mode === 'pae' ? paeTables(virtBase, end, firstPfn) : classicTables(virtBase, end, firstPfn);
    pages = tables.length + extraPages;
    if (usedEnd + pages * PAGE_BYTES <= end) return { tables, mappedPages: (end - virtBase) / PAGE_BYTES };
  }
}

/** Root, then L2s, then L1s. The L2 of the last GiB is there even when nothing of it is mapped: Xen's entries live in it. */
function paeTables(from: number, end: number, firstPfn: number): TablePlan[] {
  const l2Span = 2 ** 30;
  const l1Span = 2 ** 21;
  const l2End = end - 1 < 0xc000_0000 ? 2 ** 32 : end;
  let pfn = firstPfn;
  const tables: TablePlan[] = [{ level: 3, pfn: pfn++, va: 0 }];
  for (let va = floorTo(from, l2Span); va < l2End; va += l2Span) tables.push({ level: 2, pfn: pfn++, va });
  for (let va = floorTo(from, l1Span); va < end; va += l1Span) tables.push({ level: 1, pfn: pfn++, va });
  return tables;
}

function classicTables(from: number, end: number, firstPfn: number): TablePlan[] {
  const l1Span = 2 ** 22;
  let pfn = firstPfn;
  const tables: TablePlan[] = [{ level: 2, pfn: pfn++, va: 0 }];
  for (let va = floorTo(from, l1Span); va < end; va += l1Span) tables.push({ level: 1, pfn: pfn++, va });
  return tables;
}

function pagesOf(bytes: number): number {
  return Math.ceil(bytes / PAGE_BYTES);
}

function floorTo(value: number, grain: number): number {
  return Math.floor(value / grain) * grain;
}
