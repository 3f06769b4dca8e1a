import {
  SIF_MOD_START_PFN,
  SIF_VIRT_P2M_4TOOLS,
  START_INFO_MAGIC_NONPAE,
  START_INFO_MAGIC_PAE,
  StartInfo,
} from '@domu/xen-abi';
import { type Layout, PAGE_BYTES } from './layout.ts';

/** What start_info says beside the layout. Ports are the guest's own; frames are what the domain calls them. */
export interface StartInfoFacts {
  /** Machine address of struct shared_info; in translated paging the layout's place counts. */
  readonly sharedInfoMaddr: number;
  readonly storeMfn: number;
  readonly storePort: number;
  readonly consoleMfn: number;
  readonly consolePort: number;
  /** Without its NUL; at most MAX_GUEST_CMDLINE - 1 bytes. */
  readonly cmdline: Uint8Array;
}

/**
 * Fills a start_info page.
 * @param page the 4096 bytes of the page, zero so far
 * Source: tools/libs/guest/xg_dom_x86.c, start_info_x86_32
 */
export function writeStartInfo(page: Uint8Array, layout: Layout, facts: StartInfoFacts): void {
  const view = new DataView(page.buffer, page.byteOffset, page.byteLength);
  StartInfo.magic.setText(view, 0, layout.mode === 'pae' ? START_INFO_MAGIC_PAE : START_INFO_MAGIC_NONPAE);
  StartInfo.nr_pages.set(view, 0, layout.nrPages);
  const { sharedInfo } = layout;
  StartInfo.shared_info.set(view, 0, sharedInfo ? sharedInfo.pfn * PAGE_BYTES : facts.sharedInfoMaddr);
  StartInfo.store_mfn.set(view, 0, facts.storeMfn);
  StartInfo.store_evtchn.set(view, 0, facts.storePort);
  StartInfo.console.domU.mfn.set(view, 0, facts.consoleMfn);
  StartInfo.console.domU.evtchn.set(view, 0, facts.consolePort);
  StartInfo.pt_base.set(view, 0, layout.pageTables.va);
  StartInfo.nr_pt_frames.set(view, 0, layout.pageTables.pages);
  StartInfo.mfn_list.set(view, 0, layout.p2m.va);
  let flags = sharedInfo ? 0 : SIF_VIRT_P2M_4TOOLS;
  if (layout.initrd) {
    StartInfo.mod_start.set(view, 0, layout.initrdMapped ? layout.initrd.va : layout.initrd.pfn);
    // Whole pages, as real Xen's builder says.
    StartInfo.mod_len.set(view, 0, layout.initrd.pages * PAGE_BYTES);
    if (!layout.initrdMapped) flags |= SIF_MOD_START_PFN;
  }
  StartInfo.flags.set(view, 0, flags);
  StartInfo.cmd_line.set(view, 0, facts.cmdline);
}
