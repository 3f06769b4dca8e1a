import { fail, ok, type Result } from '../result.ts';

/** Names that the FEATURES note may list, by XENFEAT_* number. Source: xen/common/libelf/libelf-dominfo.c and public/features.h. */
export const XENFEAT_NAMES: Readonly<Record<string, number>> = {
  writable_page_tables: 0,
  writable_descriptor_tables: 1,
  auto_translated_physmap: 2,
  supervisor_mode_kernel: 3,
  pae_pgdir_above_4gb: 4,
  mmu_pt_update_preserve_ad: 5,
  highmem_assist: 6,
  gnttab_map_avail_bits: 7,
  hvm_callback_vector: 8,
  dom0: 11,
};

/**
 * What a domU in direct paging mode is offered at build time. writable_page_tables is what VMASST_TYPE_writable_pagetables
 * gives, so a kernel that insists on it ("!writable_page_tables", as Linux and XTF do) is served.
 */
const OFFERED_DIRECT: number = (1 << 0) | (1 << 4) | (1 << 5) | (1 << 6) | (1 << 7);

/** Feature bits (1 << XENFEAT_*) of one kernel. */
export interface KernelFeatures {
  /** Bits that the kernel can live with; every required bit is among them. */
  readonly supported: number;
  /** Bits without which it cannot run. */
  readonly required: number;
}

/**
 * Parses a FEATURES string, "a|!b": names separated by '|', '!' marks a required one.
 * @returns the bits, or the name of a required feature that nobody knows
 * Unknown names that are not required are skipped, as in libelf.
 */
export function parseFeatures(text: string): Result<KernelFeatures> {
  let supported = 0;
  let required = 0;
  for (const item of text.split('|')) {
    const isRequired = item.startsWith('!');
    const name = isRequired ? item.slice(1) : item;
    const number = Object.hasOwn(XENFEAT_NAMES, name) ? XENFEAT_NAMES[name] : undefined;
    if (number === undefined) {
      if (isRequired) return fail(name);
      continue;
    }
    supported |= 1 << number;
    if (isRequired) required |= 1 << number;
  }
  return ok({ supported, required });
}

/** Names of the required features that a direct-mode domU does not get; empty when the kernel can run. */
export function featuresNotOffered(required: number): string[] {
  const missing = required & ~OFFERED_DIRECT;
  return Object.entries(XENFEAT_NAMES)
    .filter(([, number]) => (missing & (1 << number)) !== 0)
    .map(([name]) => name);
}
