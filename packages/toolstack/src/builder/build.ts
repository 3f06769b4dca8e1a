import {
  type DomId,
  GNTTAB_RESERVED_CONSOLE,
  GNTTAB_RESERVED_XENSTORE,
  type PagingMode,
  SharedInfo,
  XEN_LEGACY_MAX_VCPUS,
} from '@domu/xen-abi';
import { type Domain, fillHypercallPage, initialiseVcpu } from '@domu/xen-hypervisor';
import type { Kernel } from '../elf/kernel.ts';
import { fail, ok, type Result } from '../result.ts';
import { writeImage, writeP2m } from './image.ts';
import { computeLayout, type Layout, type LayoutError, PAGE_BYTES } from './layout.ts';
import { frameName, type TableMemory, writePageTables } from './page-tables.ts';
import { writeStartInfo } from './start-info.ts';
import { firstVcpuContext } from './vcpu-context.ts';

const PAGES_PER_MIB = 256;
const DOM0 = 0 as DomId;

/** What a domain is built from. */
export interface BuildInput {
  readonly kernel: Kernel;
  readonly ramdisk: Uint8Array | null;
  /** Without its NUL; at most MAX_GUEST_CMDLINE - 1 bytes. */
  readonly cmdline: Uint8Array;
  readonly memoryMiB: number;
}

/** A ring that the builder prepared for domain 0: the guest's port, unbound, and the page's machine frame. */
export interface PreparedRing {
  readonly port: number;
  readonly mfn: number;
}

/** A domain that is ready to run, still paused. */
export interface BuiltDomain {
  readonly layout: Layout;
  readonly store: PreparedRing;
  readonly console: PreparedRing;
}

/** Form of page tables that a kernel asks for; a bimodal one gets PAE. */
export function pagingModeOf(kernel: Pick<Kernel, 'pae'>): PagingMode {
  return kernel.pae === 'no' ? 'classic' : 'pae';
}

/** Lays out a domain before it exists. @returns the layout, or why the kernel does not fit into the memory */
export function planDomain(
  input: Pick<BuildInput, 'kernel' | 'memoryMiB'> & { readonly ramdisk: { readonly length: number } | null },
): Result<Layout, LayoutError> {
  const nrPages = input.memoryMiB * PAGES_PER_MIB;
  return computeLayout(input.kernel, pagingModeOf(input.kernel), nrPages, input.ramdisk?.length ?? 0);
}

/**
 * Builds a domain: memory, image, page tables, start_info, hypercall page, rings, grants, first vCPU.
 * @param domain just created, in the paging mode of kernel and layout, with room for the layout's pages
 * @param layout from `planDomain` on the same input
 * @returns the rings to bind; or why it failed: machine memory is used up, or the page tables were refused
 * Source: tools/libs/guest/xg_dom_boot.c, xc_dom_boot_image; tools/libxc/xc_linux_build.c, setup_guest @ 3.0.3
 */
export function buildDomain(domain: Domain, layout: Layout, input: BuildInput): Result<BuiltDomain> {
  const memory = populate(domain, layout.nrPages);
  if (!memory) return fail('machine memory is used up');
  const mfnOf = (region: { pfn: number }): number => memory.p2m[region.pfn];
  const nameOf = (region: { pfn: number }): number => frameName(layout, memory, region.pfn);
  writeImage(input.kernel, input.ramdisk, layout, memory);
  writeP2m(layout, memory);
  writePageTables(layout, memory);
  const store = { mfn: mfnOf(layout.xenstore), port: domain.evtchn.allocUnbound(DOM0) };
  const console = { mfn: mfnOf(layout.console), port: domain.evtchn.allocUnbound(DOM0) };
  writeStartInfo(memory.frame(mfnOf(layout.startInfo)), layout, {
    sharedInfoMaddr: domain.sharedInfo * PAGE_BYTES,
    storeMfn: nameOf(layout.xenstore),
    storePort: store.port,
    consoleMfn: nameOf(layout.console),
    consolePort: console.port,
    cmdline: input.cmdline,
  });
  const { hypercallPage } = input.kernel;
  if (hypercallPage !== null) {
    const pfn = Math.floor((hypercallPage - layout.virtBase) / PAGE_BYTES);
    fillHypercallPage(domain.machine.memory.u8, memory.p2m[pfn] * PAGE_BYTES);
  }
  maskUpcalls(domain);
  domain.grants.preset(GNTTAB_RESERVED_CONSOLE, { domid: DOM0, gfn: nameOf(layout.console) });
  domain.grants.preset(GNTTAB_RESERVED_XENSTORE, { domid: DOM0, gfn: nameOf(layout.xenstore) });
  const root = nameOf(layout.pageTables);
  const refused =
    showXenFrames(domain, layout) ||
    domain.paging.adoptBuiltRoot(root) ||
    initialiseVcpu(domain.vcpus[0], firstVcpuContext(input.kernel, layout, root));
  return refused === 0
    ? ok({ layout, store, console })
    : fail(`the first page tables were refused (${refused})`);
}

/** Gives the domain its pages, in pfn order, zeroed. */
function populate(domain: Domain, nrPages: number): TableMemory | null {
  const p2m = new Uint32Array(nrPages);
  for (let pfn = 0; pfn < nrPages; pfn++) {
    const mfn = domain.paging.populateFrame(pfn);
    if (mfn < 0) return null;
    p2m[pfn] = mfn;
  }
  return { p2m, frame: (mfn) => domain.machine.memory.frame(mfn) };
}

/** A translated domain finds struct shared_info in its memory, and its grant table behind the end of it. */
function showXenFrames({ paging, sharedInfo, grants }: Domain, layout: Layout): number {
  if (!layout.sharedInfo) return 0;
  let rc = paging.addXenFrame(layout.sharedInfo.pfn, sharedInfo);
  for (let i = 0; i < grants.nrFrames && rc === 0; i++) {
    rc = paging.addXenFrame(layout.nrPages + i, grants.sharedFrame(i));
  }
  return rc;
}

/** No upcalls until the guest asks for them. */
function maskUpcalls(domain: Domain): void {
  const { view } = domain.machine.memory;
  const { vcpu_info: infos } = SharedInfo;
  for (let i = 0; i < XEN_LEGACY_MAX_VCPUS; i++) {
    infos.element.evtchn_upcall_mask.set(view, infos.at(domain.sharedInfo * PAGE_BYTES, i), 1);
  }
}
