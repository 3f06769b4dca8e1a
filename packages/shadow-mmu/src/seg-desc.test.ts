import { XEN_EINVAL } from '@domu/xen-abi';
import { describe, expect, it } from 'vitest';
import { checkDescriptor } from './seg-desc.ts';
import { buildDomain, RO, World } from './testing.ts';

describe('a descriptor that a guest gives', () => {
  it.each([
    ['not present: kept as it is', [0x1234, 0x2f00], [0x1234, 0x2f00]],
    ['DPL 0 becomes 1', [0xffff, 0x00cf_9a00], [0xffff, 0x00cf_ba00]],
    ['DPL 3 stays', [0xffff, 0x00cf_fa00], [0xffff, 0x00cf_fa00]],
    ['flat to F6800000 is stretched to 4 GiB', [0x67ff, 0x00cf_b200], [0xffff, 0x00cf_b200]],
    ['flat to just below the window stays', [0x57ff, 0x00cf_b200], [0x57ff, 0x00cf_b200]],
    ['a limit beyond the window with a base stays', [0x1000_67ff, 0x00cf_b200], [0x1000_67ff, 0x00cf_b200]],
    ['system type 0, present: kept', [1, 0x8000], [1, 0x8000]],
    [
      'call gate gets DPL 0, its own DPL in the selector',
      [0x0061_1000, 0x0008_ec00],
      [0x0063_1000, 0x0008_8c00],
    ],
  ])('%s', (_name, [lo, hi], [outLo, outHi]) => {
    expect(checkDescriptor(lo, hi >>> 0)).toEqual({ ok: true, lo: outLo, hi: outHi >>> 0 });
  });

  it.each([
    ['64-bit code', 0xffff, 0x00af_9a00],
    ['a task-state segment', 0x67, 0x8900],
    ['an LDT', 0x67, 0x8200],
    ['an interrupt gate', 0x0008_0000, 0x8e00],
    ['a 16-bit call gate', 0x0008_0000, 0x8400],
    ["a call gate to Xen's data segment", 0xe021_0000, 0x8c00],
    ['a call gate with reserved bits', 0x0060_0000, 0x8c20],
  ])('refuses %s', (_name, lo, hi) => {
    expect(checkDescriptor(lo, hi).ok).toBe(false);
  });

  it("a call gate may name Xen's ring-1 code segment, or the LDT", () => {
    expect(checkDescriptor(0xe019_0000, 0x8c00).ok).toBe(true);
    expect(checkDescriptor(0xe024_0000, 0x8c00).ok).toBe(true);
  });
});

describe('descriptor tables', () => {
  const setUp = () => {
    const world = new World(64);
    const d = buildDomain(world, { domid: 1, mode: 'pae', nrData: 8 });
    return { world, d, gdt: d.data[0] };
  };

  it('a frame is taken only unmapped for writing, and all its descriptors are rewritten', () => {
    const { world, d, gdt } = setUp();
    world.memory.u32.set([0xffff, 0x00cf_9a00], gdt * 1024 + 1022);
    expect(d.paging.getSegDescFrame(gdt)).toBe(-XEN_EINVAL);
    expect(d.paging.updateVaMapping(d.root, 0, gdt * 4096 + RO, 0)).toBe(0);
    expect(d.paging.getSegDescFrame(gdt)).toBe(0);
    expect(world.memory.u32[gdt * 1024 + 1023]).toBe(0x00cf_ba00);
    expect(d.paging.updateVaMapping(d.root, 0, gdt * 4096 + 0x23, 0)).toBeLessThan(0);
    d.paging.putSegDescFrame(gdt);
    expect(d.paging.updateVaMapping(d.root, 0, gdt * 4096 + 0x23, 0)).toBe(0);
  });

  it('a frame with one bad descriptor is refused', () => {
    const { world, d } = setUp();
    const frame = world.frames.alloc(1);
    world.memory.u32.set([0x67, 0x8900], frame * 1024 + 1022);
    expect(d.paging.getSegDescFrame(frame)).toBe(-XEN_EINVAL);
    expect(world.frames.refcount(frame)).toBe(1);
  });

  it('an LDT page is found by its linear address', () => {
    const { d } = setUp();
    expect(d.paging.getLdtFrame(d.root, 0x1000)).toBe(-1);
    expect(d.paging.updateVaMapping(d.root, 0x1000, d.data[1] * 4096 + RO, 0)).toBe(0);
    expect(d.paging.getLdtFrame(d.root, 0x1000)).toBe(d.data[1]);
    expect(d.paging.getLdtFrame(d.root, 0x7f_f000)).toBe(-1);
    expect(d.paging.getLdtFrame(d.root, 0xf580_0000)).toBe(-1);
  });

  it('update_descriptor stores the checked form in descriptor tables and data, not in page tables', () => {
    const { world, d, gdt } = setUp();
    expect(d.paging.updateDescriptor(gdt * 4096 + 8, 0, 0xffff, 0x00cf_9a00)).toBe(0);
    expect(world.memory.u32[gdt * 1024 + 3]).toBe(0x00cf_ba00);
    expect(d.paging.updateVaMapping(d.root, 0, gdt * 4096 + RO, 0)).toBe(0);
    expect(d.paging.getSegDescFrame(gdt)).toBe(0);
    expect(d.paging.updateDescriptor(gdt * 4096 + 16, 0, 0xffff, 0x00cf_9200)).toBe(0);
    expect(world.memory.u32[gdt * 1024 + 5]).toBe(0x00cf_b200);
    for (const [lo, hi] of [
      [gdt * 4096 + 4, 0],
      [d.l1 * 4096, 0],
      [gdt * 4096, 1],
      [4096, 0],
    ]) {
      expect(d.paging.updateDescriptor(lo, hi, 0xffff, 0x00cf_9a00)).toBe(-XEN_EINVAL);
    }
    expect(d.paging.updateDescriptor(gdt * 4096, 0, 0xffff, 0x00af_9a00)).toBe(-XEN_EINVAL);
  });
});
