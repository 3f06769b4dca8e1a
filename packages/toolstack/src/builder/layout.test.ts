import { StartInfo } from '@domu/xen-abi';
import { describe, expect, test } from 'vitest';
import { writeImage, writeP2m } from './image.ts';
import { computeLayout, type Layout } from './layout.ts';
import { type TableMemory, writePageTables } from './page-tables.ts';
import { writeStartInfo } from './start-info.ts';

const MIB = 2 ** 20;
const GRUB = { virtBase: 0, start: 0, end: 0x5810c4, unmappedInitrd: false };
const LINUX = { virtBase: 0xc0000000, start: 0xc1000000, end: 0xc1700000, unmappedInitrd: true };

function layoutOf(
  kernel: Parameters<typeof computeLayout>[0],
  options: { mode?: 'pae' | 'classic'; mib?: number; initrd?: number } = {},
): Layout {
  const result = computeLayout(kernel, options.mode ?? 'pae', (options.mib ?? 64) * 256, options.initrd ?? 0);
  if (!result.ok) throw new Error(result.error.message);
  return result.value;
}

/** Frames that lie backwards, so that a pfn can never pass for an mfn. */
function fakeMemory(nrPages: number): TableMemory & { frames: Map<number, Uint8Array> } {
  const frames = new Map<number, Uint8Array>();
  return {
    frames,
    p2m: Array.from({ length: nrPages }, (_, pfn) => 0x8000 + nrPages - pfn),
    frame(mfn) {
      const frame = frames.get(mfn) ?? new Uint8Array(4096);
      frames.set(mfn, frame);
      return frame;
    },
  };
}

/** Walks the built PAE tables. @returns the L1 entry, or null */
function walk(layout: Layout, memory: TableMemory, va: number): { mfn: number; flags: number } | null {
  let mfn = memory.p2m[layout.tables[0].pfn];
  for (const [shift, bits] of [
    [30, 2],
    [21, 9],
    [12, 9],
  ]) {
    const frame = memory.frame(mfn);
    const view = new DataView(frame.buffer, frame.byteOffset);
    const slot = (va >>> shift) & ((1 << bits) - 1);
    const low = view.getUint32(slot * 8, true);
    if ((low & 1) === 0) return null;
    if (shift === 12) return { mfn: low >>> 12, flags: low & 0xfff };
    expect(low & 0xfff).toBe(0x67);
    mfn = low >>> 12;
  }
  return null;
}

describe('computeLayout', () => {
  test("orders the regions as Xen's builder does, without gaps", () => {
    const layout = layoutOf(GRUB, { initrd: 5000 });
    expect(layout.kernel).toEqual({ pfn: 0, pages: 0x582, va: 0 });
    expect(layout.initrd).toEqual({ pfn: 0x582, pages: 2, va: 0x582000 });
    expect(layout.p2m).toEqual({ pfn: 0x584, pages: 16, va: 0x584000 });
    expect([layout.startInfo.pfn, layout.xenstore.pfn, layout.console.pfn]).toEqual([0x594, 0x595, 0x596]);
    expect(layout.pageTables.pfn).toBe(0x597);
    expect(layout.bootStack.pfn).toBe(layout.pageTables.pfn + layout.pageTables.pages);
  });

  test('maps up to a 4 MiB multiple with at least 512 KiB behind the boot stack', () => {
    for (const kernelEnd of [0x1000, 0x36f000, 0x370000, 0x3ff000, 0x400000, 0x5810c4]) {
      const layout = layoutOf({ ...GRUB, end: kernelEnd });
      expect((layout.mappedPages * 4096) % (4 * MIB)).toBe(0);
      expect(layout.mappedPages - layout.bootStack.pfn - 1).toBeGreaterThanOrEqual(128);
      expect(layout.mappedPages - layout.bootStack.pfn - 1).toBeLessThan(128 + 1024 + 4);
    }
  });

  test('a low PAE kernel gets a root, four L2s and the L1s of its mapping', () => {
    const layout = layoutOf(GRUB);
    expect(layout.tables.filter((table) => table.level === 2).map((table) => table.va)).toEqual([
      0, 0x40000000, 0x80000000, 0xc0000000,
    ]);
    expect(layout.tables.filter((table) => table.level === 1)).toHaveLength(
      (layout.mappedPages * 4096) / (2 * MIB),
    );
    expect(layout.tables.map((table) => table.pfn)).toEqual(
      layout.tables.map((_, i) => layout.pageTables.pfn + i),
    );
  });

  test('a kernel in the last GiB gets one L2; an unmapped initrd lies behind the mapping', () => {
    const layout = layoutOf(LINUX, { initrd: 3 * MIB });
    expect(layout.tables.filter((table) => table.level === 2).map((table) => table.va)).toEqual([0xc0000000]);
    expect(layout.kernel.pfn).toBe(0x1000);
    expect(layout.initrdMapped).toBe(false);
    expect(layout.initrd).toMatchObject({ pfn: layout.mappedPages, pages: 768 });
  });

  test('classic tables: one root and an L1 for each 4 MiB', () => {
    const layout = layoutOf(GRUB, { mode: 'classic' });
    expect(layout.tables.map((table) => table.level)).toEqual([2, 1, 1]);
  });

  test('says how much memory is missing', () => {
    expect(computeLayout(GRUB, 'pae', 4 * 256, 0)).toEqual({
      ok: false,
      error: { about: 'memory', message: '4 MiB are too little for the kernel; expected at least 8 MiB' },
    });
    expect(computeLayout(LINUX, 'pae', 32 * 256, 10 * MIB)).toMatchObject({ ok: false });
  });

  test("refuses a mapping that reaches into Xen's space, and unaligned images", () => {
    const high = { virtBase: 0xf5000000, start: 0xf5000000, end: 0xf57ff000, unmappedInitrd: false };
    expect(computeLayout(high, 'pae', 0x10000, 0)).toMatchObject({
      ok: false,
      error: { about: 'image', message: expect.stringMatching(/0xf5800000, where Xen/) },
    });
    expect(computeLayout({ ...GRUB, start: 0x123, end: 0x2000 }, 'pae', 0x10000, 0)).toMatchObject({
      ok: false,
    });
  });
});

describe('built memory', () => {
  test.each([GRUB, LINUX])(
    'page tables map every page once, page tables read-only, nothing beyond (%#)',
    (kernel) => {
      const layout = layoutOf(kernel);
      const memory = fakeMemory(layout.nrPages);
      writePageTables(layout, memory);
      for (let pfn = 0; pfn < layout.mappedPages; pfn++) {
        const isTable = pfn >= layout.pageTables.pfn && pfn < layout.bootStack.pfn;
        const entry = walk(layout, memory, layout.virtBase + pfn * 4096);
        if (entry?.mfn !== memory.p2m[pfn] || entry.flags !== (isTable ? 0x21 : 0x23)) {
          expect({ pfn, entry }).toEqual({
            pfn,
            entry: { mfn: memory.p2m[pfn], flags: isTable ? 0x21 : 0x23 },
          });
        }
      }
      expect(walk(layout, memory, layout.virtBase + layout.mappedPages * 4096)).toBeNull();
      expect(layout.virtBase === 0 || walk(layout, memory, layout.virtBase - 4096) === null).toBe(true);
    },
  );

  test('translated: tables hold pseudo-physical numbers, are writable, and a PAE root has present bits only', () => {
    for (const mode of ['pae', 'classic'] as const) {
      const layout = layoutOf({ ...LINUX, translated: true }, { mode });
      expect(layout.sharedInfo?.pfn).toBe(layout.console.pfn + 1);
      expect(layout.pageTables.pfn).toBe(layout.console.pfn + 2);
      const memory = fakeMemory(layout.nrPages);
      writePageTables(layout, memory);
      const l1 = layout.tables.filter((table) => table.level === 1).at(-1);
      const at = (pfn: number): DataView => new DataView(memory.frame(memory.p2m[pfn]).buffer);
      expect(at(l1?.pfn ?? 0).getUint32(0, true)).toBe(
        ((((l1?.va ?? 0) - layout.virtBase) & ~0xfff) | 0x23) >>> 0,
      );
      const table = layout.pageTables.pfn;
      const walked = mode === 'pae' ? 8 * (table % 512) : 4 * (table % 1024);
      const covering = layout.tables.find(
        ({ level, va }) =>
          level === 1 &&
          va <= layout.pageTables.va &&
          layout.pageTables.va < va + 2 ** (mode === 'pae' ? 21 : 22),
      );
      expect(at(covering?.pfn ?? 0).getUint32(walked, true)).toBe((table << 12) | 0x23);
      const rootEntry = at(table).getUint32(mode === 'pae' ? 24 : 0xc00, true);
      expect(rootEntry & 0xfff).toBe(mode === 'pae' ? 1 : 0x67);
    }
  });

  test('classic page tables', () => {
    const layout = layoutOf(GRUB, { mode: 'classic' });
    const memory = fakeMemory(layout.nrPages);
    writePageTables(layout, memory);
    const root = new DataView(memory.frame(memory.p2m[layout.tables[0].pfn]).buffer);
    expect(root.getUint32(4, true)).toBe((memory.p2m[layout.tables[2].pfn] << 12) | 0x67);
    const l1 = new DataView(memory.frame(memory.p2m[layout.tables[2].pfn]).buffer);
    expect(l1.getUint32(0, true)).toBe((memory.p2m[1024] << 12) | 0x23);
  });

  test('segments, initrd and p2m list land byte by byte, across page borders', () => {
    const layout = layoutOf(GRUB, { initrd: 3 });
    const memory = fakeMemory(layout.nrPages);
    const segments = [{ va: 0xffe, bytes: Uint8Array.of(1, 2, 3, 4) }];
    writeImage(
      { segments } as unknown as Parameters<typeof writeImage>[0],
      Uint8Array.of(7, 8, 9),
      layout,
      memory,
    );
    writeP2m(layout, memory);
    expect([...memory.frame(memory.p2m[0]).subarray(4094)]).toEqual([1, 2]);
    expect([...memory.frame(memory.p2m[1]).subarray(0, 3)]).toEqual([3, 4, 0]);
    expect([...memory.frame(memory.p2m[layout.initrd?.pfn ?? 0]).subarray(0, 4)]).toEqual([7, 8, 9, 0]);
    const list = new DataView(memory.frame(memory.p2m[layout.p2m.pfn + 1]).buffer);
    expect(list.getUint32(0, true)).toBe(memory.p2m[1024]);
  });

  test('start_info', () => {
    const layout = layoutOf(LINUX, { initrd: 5000 });
    const page = new Uint8Array(4096);
    writeStartInfo(page, layout, {
      sharedInfoMaddr: 0x7000,
      storeMfn: 11,
      storePort: 1,
      consoleMfn: 12,
      consolePort: 2,
      cmdline: new TextEncoder().encode('root=/dev/xvda1'),
    });
    const view = new DataView(page.buffer);
    expect(StartInfo.magic.getText(view, 0)).toBe('xen-3.0-x86_32p');
    expect(StartInfo.cmd_line.getText(view, 0)).toBe('root=/dev/xvda1');
    expect(StartInfo.nr_pages.get(view, 0)).toBe(16384);
    expect(StartInfo.shared_info.get(view, 0)).toBe(0x7000);
    expect(StartInfo.store_mfn.get(view, 0)).toBe(11);
    expect(StartInfo.console.domU.evtchn.get(view, 0)).toBe(2);
    expect(StartInfo.pt_base.get(view, 0)).toBe(layout.pageTables.va);
    expect(StartInfo.mfn_list.get(view, 0)).toBe(layout.p2m.va);
    expect(StartInfo.mod_start.get(view, 0)).toBe(layout.mappedPages);
    expect(StartInfo.mod_len.get(view, 0)).toBe(8192);
    expect(StartInfo.flags.get(view, 0) & 8).toBe(8);
  });
});
