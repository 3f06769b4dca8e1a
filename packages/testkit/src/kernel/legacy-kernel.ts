import { XEN_LEGACY_SECTION } from '@domu/xen-abi';
import { buildElf } from './elf-image.ts';

const SHT_PROGBITS = 1;

/** Where a kernel of `legacyKernel` lies: linear addresses, `code` the first of the image. */
export const LEGACY_LAYOUT = {
  virtBase: 0xc000_0000,
  code: 0xc010_0000,
  hypercallPage: 0xc011_0000,
  /** Zero-filled, to the end of the image. */
  data: 0xc011_1000,
  end: 0xc014_0000,
} as const;

/**
 * A kernel that describes itself in the `__xen_guest` section, as kernels did before Xen had ELF notes.
 * @param options.code assembled for `LEGACY_LAYOUT.code`, at most 64 KiB
 * @param options.features names separated by '|'
 */
export function legacyKernel(options: { code: Uint8Array; pae: boolean; features: string }): Uint8Array {
  const { virtBase, code, hypercallPage, end } = LEGACY_LAYOUT;
  if (options.code.length > hypercallPage - code) throw new Error('the code reaches into the hypercall page');
  const hypercallPfn = (hypercallPage - virtBase) >>> 12;
  const description = [
    'GUEST_OS=test',
    'XEN_VER=xen-3.0',
    `VIRT_BASE=0x${virtBase.toString(16)}`,
    `HYPERCALL_PAGE=0x${hypercallPfn.toString(16)}`,
    `PAE=${options.pae ? 'yes' : 'no'}`,
    `FEATURES=${options.features}`,
    'LOADER=generic',
  ].join(',');
  return buildElf({
    entry: code,
    segments: [{ paddr: code, bytes: options.code, memsz: end - code }],
    sections: [
      {
        name: XEN_LEGACY_SECTION,
        type: SHT_PROGBITS,
        bytes: Uint8Array.from(`${description}\0`, (c) => c.charCodeAt(0)),
      },
    ],
  });
}
