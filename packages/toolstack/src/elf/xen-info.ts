import type { KernelFeatures } from './features.ts';

/** How a kernel wants its page tables (enum xen_pae_type of libelf). */
export type PaeMode = 'no' | 'yes' | 'extended-cr3' | 'bimodal';

/**
 * What a kernel says about itself in Xen ELF notes or in the legacy `__xen_guest` section, before defaults.
 * null: the kernel does not say. Addresses are linear, unsigned.
 * Source: xen/include/public/elfnote.h
 */
export interface XenInfo {
  source: 'notes' | '__xen_guest';
  guestOs: string;
  guestVersion: string;
  xenVersion: string;
  loader: string;
  pae: PaeMode;
  entry: number | null;
  /** Linear address of the page to fill with hypercall stubs. */
  hypercallPage: number | null;
  virtBase: number | null;
  paddrOffset: number | null;
  physEntry: number | null;
  bsdSymtab: boolean;
  /** The initial RAM disk is wanted outside the initial mapping (MOD_START_PFN). */
  unmappedInitrd: boolean;
  features: KernelFeatures;
  /** Required features with names that Xen never had; any of them stops the boot. */
  unknownRequired: string[];
}

/** A XenInfo in which nothing has been said yet. */
export function emptyXenInfo(source: XenInfo['source']): XenInfo {
  return {
    source,
    guestOs: '',
    guestVersion: '',
    xenVersion: '',
    loader: '',
    pae: 'no',
    entry: null,
    hypercallPage: null,
    virtBase: null,
    paddrOffset: null,
    physEntry: null,
    bsdSymtab: false,
    unmappedInitrd: false,
    features: { supported: 0, required: 0 },
    unknownRequired: [],
  };
}
