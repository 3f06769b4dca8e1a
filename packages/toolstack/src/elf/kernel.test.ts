import { gzipSync } from 'node:zlib';
import { BASE_NOTES, buildElf, encodeNotes, type TestNote, testKernel } from '@domu/testkit';
import * as note from '@domu/xen-abi';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { planDomain } from '../builder/build.ts';
import { PT_NOTE, SHT_NOTE } from './elf.ts';
import { type Kernel, loadKernel } from './kernel.ts';

function kernelWith(
  notes: readonly TestNote[],
  extra: { entry?: number; sections?: boolean } = {},
): Uint8Array {
  const bytes = encodeNotes(notes);
  return buildElf({
    entry: extra.entry ?? 0x100000,
    segments: [
      { paddr: 0x100000, bytes: new Uint8Array(16), memsz: 0x4000 },
      ...(extra.sections ? [] : [{ type: PT_NOTE, paddr: 0, bytes }]),
    ],
    sections: extra.sections ? [{ name: '.note.Xen', type: SHT_NOTE, bytes }] : [],
  });
}

function legacyKernel(text: string): Uint8Array {
  return buildElf({
    entry: 0xc0100000,
    segments: [{ paddr: 0xc0100000, bytes: new Uint8Array(16), memsz: 0x4000 }],
    sections: [{ name: '__xen_guest', type: 1, bytes: Uint8Array.from(`${text}\0`, (c) => c.charCodeAt(0)) }],
  });
}

function load(bytes: Uint8Array): Kernel {
  const result = loadKernel(bytes);
  if (!result.ok) throw new Error(result.error);
  return result.value;
}

function reason(bytes: Uint8Array): string {
  const result = loadKernel(bytes);
  if (result.ok) throw new Error('expected a failure');
  return result.error;
}

describe('loadKernel', () => {
  test('takes addresses from notes and fills in defaults', () => {
    const kernel = load(testKernel());
    expect(kernel).toMatchObject({
      guestOs: 'test',
      pae: 'extended-cr3',
      virtBase: 0,
      start: 0x100000,
      end: 0x110000,
      entry: 0x100000,
      hypercallPage: 0x101000,
      unmappedInitrd: false,
    });
    expect(kernel.segments[0].va).toBe(0x100000);
  });

  test('takes a kernel that is compressed, and says what is wrong with what is in it', () => {
    const kernel = load(gzipSync(testKernel()));
    expect(kernel).toMatchObject({ guestOs: 'test', start: 0x100000, end: 0x110000 });
    expect(reason(gzipSync(Uint8Array.of(1, 2, 3)))).toMatch(/^not an ELF file/);
    expect(reason(Uint8Array.of(0x1f, 0x8b, 8, 0))).toBe('damaged or truncated gzip data');
  });

  test('adds VIRT_BASE minus PADDR_OFFSET to p_paddr', () => {
    const kernel = load(
      kernelWith([
        ...BASE_NOTES,
        { type: note.XEN_ELFNOTE_VIRT_BASE, desc: 0xc0000000 },
        { type: note.XEN_ELFNOTE_PADDR_OFFSET, desc: 0 },
        { type: note.XEN_ELFNOTE_ENTRY, desc: 0xc0101000 },
        { type: note.XEN_ELFNOTE_MOD_START_PFN, desc: 1 },
      ]),
    );
    expect(kernel).toMatchObject({
      virtBase: 0xc0000000,
      start: 0xc0100000,
      entry: 0xc0101000,
      unmappedInitrd: true,
    });
  });

  test('falls back to SHT_NOTE sections', () => {
    expect(load(kernelWith(BASE_NOTES, { sections: true })).guestOs).toBe('test');
  });

  test('a note cut by the end of its segment still counts, as in GRUB', () => {
    const bytes = encodeNotes(BASE_NOTES);
    new DataView(bytes.buffer).setUint32(bytes.length - 16, 12, true);
    const file = buildElf({
      segments: [
        { paddr: 0, bytes: new Uint8Array(4) },
        { type: PT_NOTE, paddr: 0, bytes },
      ],
    });
    expect(load(file).pae).toBe('extended-cr3');
  });

  test('legacy section: paddr is linear, HYPERCALL_PAGE is a page number, plain PAE=yes', () => {
    const kernel = load(
      legacyKernel(
        'GUEST_OS=linux,GUEST_VER=2.6,XEN_VER=xen-3.0,VIRT_BASE=0xC0000000,HYPERCALL_PAGE=0x101,PAE=yes,LOADER=generic',
      ),
    );
    expect(kernel).toMatchObject({
      guestOs: 'linux 2.6',
      virtBase: 0xc0000000,
      start: 0xc0100000,
      hypercallPage: 0xc0101000,
      pae: 'yes',
    });
    expect(
      load(legacyKernel('LOADER=generic,XEN_VER=xen-3.0,VIRT_BASE=0xC0000000,PAE=yes[extended-cr3]')).pae,
    ).toBe('extended-cr3');
  });

  test('an ELF without notes says that HVM and bare-metal kernels cannot boot here', () => {
    expect(reason(buildElf({ segments: [{ paddr: 0, bytes: new Uint8Array(4) }] }))).toMatch(
      /without Xen notes .* HVM or bare metal cannot boot here/,
    );
  });

  test('a PVH kernel is called that', () => {
    expect(
      reason(kernelWith([...BASE_NOTES, { type: note.XEN_ELFNOTE_PHYS32_ENTRY, desc: 0x100000 }])),
    ).toMatch(/PVH kernel/);
  });

  test('refuses a foreign loader and another Xen', () => {
    expect(reason(kernelWith(BASE_NOTES.filter((n) => n.type !== note.XEN_ELFNOTE_LOADER)))).toMatch(
      /LOADER/,
    );
    expect(
      reason(kernelWith([...BASE_NOTES, { type: note.XEN_ELFNOTE_XEN_VERSION, desc: 'xen-4' }])),
    ).toMatch(/XEN_VERSION "xen-4"/);
  });

  test('required features: writable_page_tables is offered, others and unknown ones are refused by name', () => {
    const withFeatures = (desc: string): Uint8Array =>
      kernelWith([...BASE_NOTES, { type: note.XEN_ELFNOTE_FEATURES, desc }]);
    expect(load(withFeatures('!writable_page_tables|pae_pgdir_above_4gb|whatever')).guestOs).toBe('test');
    expect(reason(withFeatures('!highmem_assist|!supervisor_mode_kernel|!dom0'))).toMatch(
      /requires supervisor_mode_kernel, dom0/,
    );
    expect(reason(withFeatures('!levitation'))).toMatch(/requires "levitation"/);
  });

  test('translated paging comes with a kernel that insists, or that can while the configuration wants it', () => {
    const translated = 1 << note.XENFEAT_auto_translated_physmap;
    const kernel = (features: string, wanted = 0): unknown => {
      const notes = [...BASE_NOTES, { type: note.XEN_ELFNOTE_FEATURES, desc: features }];
      const result = loadKernel(kernelWith(notes), wanted);
      return result.ok ? result.value.translated : result.error;
    };
    expect(kernel('auto_translated_physmap')).toBe(false);
    expect(kernel('auto_translated_physmap', translated)).toBe(true);
    expect(kernel('!auto_translated_physmap|!writable_page_tables')).toBe(true);
    expect(kernel('writable_page_tables', translated)).toMatch(/FEATURES without auto_translated_physmap/);
    expect(kernel('!highmem_assist|auto_translated_physmap')).toBe(false);
    expect(kernel('!highmem_assist|auto_translated_physmap', translated)).toMatch(/requires highmem_assist/);
  });

  test('addresses outside the image are refused', () => {
    expect(reason(kernelWith(BASE_NOTES, { entry: 0x200000 }))).toMatch(/entry point 0x200000 lies outside/);
    expect(
      reason(kernelWith([...BASE_NOTES, { type: note.XEN_ELFNOTE_HYPERCALL_PAGE, desc: 0x900000 }])),
    ).toMatch(/HYPERCALL_PAGE/);
    expect(
      reason(kernelWith([...BASE_NOTES, { type: note.XEN_ELFNOTE_VIRT_BASE, desc: 0xffff0000 }])),
    ).toMatch(/4 GiB/);
    expect(reason(kernelWith([...BASE_NOTES, { type: note.XEN_ELFNOTE_PADDR_OFFSET, desc: 0 }]))).toMatch(
      /PADDR_OFFSET without/,
    );
  });

  test('BSD_SYMTAB puts an ELF header and both tables behind the last segment, unused bytes zero', () => {
    const symbols = new Uint8Array(32);
    new DataView(symbols.buffer).setUint32(16, 1, true);
    const file = buildElf({
      entry: 0x100000,
      segments: [
        { paddr: 0x100000, bytes: new Uint8Array(16), memsz: 0x3fd },
        {
          type: PT_NOTE,
          paddr: 0,
          bytes: encodeNotes([...BASE_NOTES, { type: note.XEN_ELFNOTE_BSD_SYMTAB, desc: 'yes' }]),
        },
      ],
      sections: [
        { name: '.symtab', type: 2, bytes: symbols, link: 2, entsize: 16 },
        { name: '.strtab', type: 3, bytes: Uint8Array.from('\0main\0', (c) => c.charCodeAt(0)) },
      ],
    });
    const kernel = load(file);
    const block = kernel.segments[1];
    const view = new DataView(block.bytes.buffer);
    expect(block.va).toBe(0x100400);
    expect(kernel.end).toBe(0x100400 + block.bytes.length);
    expect([...block.bytes.subarray(4, 8)]).toEqual([0x7f, 0x45, 0x4c, 0x46]);
    const shoff = 4 + view.getUint32(4 + 32, true);
    expect(view.getUint16(4 + 48, true)).toBe(3);
    expect([...block.bytes.subarray(4 + 52, shoff)].every((byte) => byte === 0)).toBe(true);
    expect([...block.bytes.subarray(shoff, shoff + 40)].every((byte) => byte === 0)).toBe(true);
    const strtab = 4 + view.getUint32(shoff + 80 + 16, true);
    expect(String.fromCharCode(...block.bytes.subarray(strtab + 1, strtab + 5))).toBe('main');
    expect(view.getUint32(0, true)).toBe(strtab + 6 - 4);
  });

  test('random bytes and mutated kernels never throw, nor does laying them out', () => {
    const good = [
      testKernel(),
      kernelWith(BASE_NOTES, { sections: true }),
      legacyKernel('LOADER=generic,XEN_VER=xen-3.0,FEATURES=!writable_page_tables,BSD_SYMTAB=yes'),
    ];
    const mutation = fc.array(fc.tuple(fc.nat({ max: 600 }), fc.integer({ min: 0, max: 255 })), {
      maxLength: 8,
    });
    fc.assert(
      fc.property(
        fc.nat({ max: good.length - 1 }),
        mutation,
        fc.nat({ max: 10000 }),
        (which, changes, cut) => {
          const bytes = good[which].slice(0, Math.max(1, good[which].length - (cut > 9000 ? cut - 9000 : 0)));
          for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
          const result = loadKernel(bytes);
          if (!result.ok) return !result.error.includes('\n');
          const layout = planDomain({ kernel: result.value, ramdisk: null, memoryMiB: 64 });
          return (
            !layout.ok || layout.value.kernel.pfn + layout.value.kernel.pages <= layout.value.mappedPages
          );
        },
      ),
      { numRuns: 2000, seed: 1 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (tail) => {
        const bytes = Uint8Array.of(0x7f, 0x45, 0x4c, 0x46, 1, 1, 1, ...tail);
        return loadKernel(bytes).ok || !loadKernel(tail).ok;
      }),
      { numRuns: 500, seed: 2 },
    );
  });
});
