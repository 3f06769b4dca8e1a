import {
  XENFEAT_auto_translated_physmap,
  XENFEAT_dom0,
  XENFEAT_gnttab_map_avail_bits,
  XENFEAT_highmem_assist,
  XENFEAT_hvm_callback_vector,
  XENFEAT_mmu_pt_update_preserve_ad,
  XENFEAT_pae_pgdir_above_4gb,
  XENFEAT_supervisor_mode_kernel,
  XENFEAT_writable_descriptor_tables,
  XENFEAT_writable_page_tables,
} from '@domu/xen-abi';
import { fail, ok, type Result } from '../result.ts';

/** Names that the FEATURES note may list. Source: xen/common/libelf/libelf-dominfo.c, elf_xen_feature_names */
const XENFEAT_BY_NAME: Readonly<Record<string, number>> = {
  writable_page_tables: XENFEAT_writable_page_tables,
  writable_descriptor_tables: XENFEAT_writable_descriptor_tables,
  auto_translated_physmap: XENFEAT_auto_translated_physmap,
  supervisor_mode_kernel: XENFEAT_supervisor_mode_kernel,
  pae_pgdir_above_4gb: XENFEAT_pae_pgdir_above_4gb,
  mmu_pt_update_preserve_ad: XENFEAT_mmu_pt_update_preserve_ad,
  highmem_assist: XENFEAT_highmem_assist,
  gnttab_map_avail_bits: XENFEAT_gnttab_map_avail_bits,
  hvm_callback_vector: XENFEAT_hvm_callback_vector,
  dom0: XENFEAT_dom0,
};

/** What a domU in translated paging mode is offered. Source: xen/common/kernel.c, XENVER_get_features @ 3.0.3 */
const OFFERED_TRANSLATED: number =
  (1 << XENFEAT_writable_page_tables) |
  (1 << XENFEAT_auto_translated_physmap) |
  (1 << XENFEAT_pae_pgdir_above_4gb);

/**
 * What a domU in direct paging mode is offered at build time. writable_page_tables is what VMASST_TYPE_writable_pagetables
 * gives, so a kernel that insists on it ("!writable_page_tables", as Linux and XTF do) is served.
 */
const OFFERED_DIRECT: number = [
  XENFEAT_writable_page_tables,
  XENFEAT_pae_pgdir_above_4gb,
  XENFEAT_mmu_pt_update_preserve_ad,
  XENFEAT_highmem_assist,
  XENFEAT_gnttab_map_avail_bits,
].reduce((bits, number) => bits | (1 << number), 0);

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
    const number = Object.hasOwn(XENFEAT_BY_NAME, name) ? XENFEAT_BY_NAME[name] : undefined;
    if (number === undefined) {
      if (isRequired) return fail(name);
      continue;
    }
    supported |= 1 << number;
    if (isRequired) required |= 1 << number;
  }
  return ok({ supported, required });
}

/**
 * Reads the `features` of a configuration, names separated by '|': what the kernel must be able to use.
 * @returns the bits, or the first name that nobody knows
 */
export function parseWantedFeatures(text: string): Result<number> {
  const wanted = parseFeatures(
    text
      .split('|')
      .map((name) => `!${name.trim().replace(/^!/, '')}`)
      .join('|'),
  );
  return wanted.ok ? ok(wanted.value.required) : wanted;
}

/** @returns whether these features ask for translated paging */
export function wantsTranslation(features: number): boolean {
  return (features & (1 << XENFEAT_auto_translated_physmap)) !== 0;
}

/** @returns the feature bits that a domU is offered in this kind of paging */
export function offeredFeatures({ translated }: { readonly translated: boolean }): number {
  return translated ? OFFERED_TRANSLATED : OFFERED_DIRECT;
}

/** Names of the required features that a domU does not get; empty when the kernel can run. */
export function featuresNotOffered(required: number, options: { readonly translated: boolean }): string[] {
  return featureNames(required & ~offeredFeatures(options));
}

/** Names of features by their bits. */
export function featureNames(bits: number): string[] {
  return Object.entries(XENFEAT_BY_NAME)
    .filter(([, number]) => (bits & (1 << number)) !== 0)
    .map(([name]) => name);
}
