import { Access } from '@domu/x86-cpu';
import { describe, expect, it } from 'vitest';
import { buildDomain, RO, RW, World } from './testing.ts';

const { Read: READ, Write: WRITE, Execute: EXECUTE, Probe: PROBE } = Access;
const NX = 0x8000_0000;

function setUp(mode: 'pae' | 'classic' = 'pae') {
  const world = new World(64);
  const d = buildDomain(world, { domid: 1, mode, nrData: 8 });
  const walk = (linear: number, access: number, user: boolean = false): number =>
    d.paging.translate(d.root, linear, access, user);
  return { world, d, walk };
}

describe.each(['pae', 'classic'] as const)('walking %s tables', (mode) => {
  it('marks accessed and dirty, and allows writing only once dirty is set', () => {
    const { world, d, walk } = setUp(mode);
    world.poke(d.paging, d.l1, 0, d.data[0], 0x03);
    expect(walk(0x123, READ)).toBe(d.data[0] * 4096);
    expect(world.peek(d.paging, d.l1, 0) & 0xfff).toBe(0x23);
    expect(walk(0x123, WRITE)).toBe(d.data[0] * 4096 + 1);
    expect(world.peek(d.paging, d.l1, 0) & 0xfff).toBe(0x63);
    expect(walk(0x123, READ)).toBe(d.data[0] * 4096 + 1);
    expect(world.peek(d.paging, d.l2[0], 0) & 0x20).toBe(0x20);
  });

  it('tells in the error code: present, write, user', () => {
    const { world, d, walk } = setUp(mode);
    const notMapped = 0x3f_f000 - (mode === 'pae' ? 0x20_0000 : 0);
    expect(walk(notMapped, READ)).toBe(-1 - 0);
    expect(walk(notMapped, WRITE)).toBe(-1 - 2);
    expect(walk(notMapped, READ, true)).toBe(-1 - 4);
    expect(walk(0x8000_0000, WRITE, true)).toBe(-1 - 6);
    expect(walk(0, READ, true)).toBe(-1 - 5);
    world.poke(d.paging, d.l1, 0, d.data[0], RO);
    expect(walk(0, WRITE)).toBe(-1 - 3);
    world.poke(d.paging, d.l1, 0, d.data[0], RW | 4);
    expect(walk(0, READ, true)).toBe(d.data[0] * 4096);
  });

  it('a probe marks nothing, and finds only what is marked accessed', () => {
    const { world, d, walk } = setUp(mode);
    world.poke(d.paging, d.l1, 0, d.data[0], 0x03);
    expect(walk(0x123, PROBE)).toBeLessThan(0);
    expect(world.peek(d.paging, d.l1, 0) & 0xfff).toBe(0x03);
    expect(walk(0x123, EXECUTE)).toBe(d.data[0] * 4096);
    expect(walk(0x123, PROBE)).toBe(d.data[0] * 4096);
    expect(walk(0x123, PROBE, true)).toBeLessThan(0);
    expect(world.peek(d.paging, d.l1, 0) & 0xfff).toBe(0x23);
  });

  it('a fault marks nothing', () => {
    const { world, d, walk } = setUp(mode);
    world.poke(d.paging, d.l1, 0, d.data[0], 0x01);
    expect(walk(0, WRITE)).toBe(-1 - 3);
    expect(world.peek(d.paging, d.l1, 0) & 0xfff).toBe(0x01);
  });

  it('shows the machine-to-phys table read-only to the kernel, and nothing else of the window', () => {
    const { world, d, walk } = setUp(mode);
    const window = d.paging.hypervisorVirtStart;
    world.m2p.set(d.data[2], 0x1234);
    const at = walk(window, READ);
    expect(at).toBe(world.m2p.firstMfn * 4096);
    expect(world.memory.view.getUint32(at + d.data[2] * 4, true)).toBe(0x1234);
    expect(world.memory.view.getUint32(at + 4 * 63, true)).toBe(0xffff_ffff);
    expect(walk(window, WRITE)).toBe(-1 - 3);
    expect(walk(window, READ, true)).toBe(-1 - 5);
    expect(walk(window + world.m2p.nrFrames * 4096, READ)).toBe(-1 - 0);
    expect(walk(0xffff_f000, WRITE, true)).toBe(-1 - 6);
  });

  it('a root that is not there faults', () => {
    const { d } = setUp(mode);
    expect(d.paging.translate(-1, 0, READ, false)).toBe(-1);
    expect(d.paging.translate(1 << 20, 0, READ, false)).toBe(-1);
  });
});

describe('PAE only', () => {
  it('honours no-execute in the L1 and the L2 entry, with bit 4 in the error code', () => {
    const { world, d, walk } = setUp();
    expect(walk(0, EXECUTE)).toBe(d.data[0] * 4096);
    expect(d.paging.updateVaMapping(d.root, 0, d.data[0] * 4096 + RW, NX)).toBe(0);
    expect(walk(0, EXECUTE)).toBe(-1 - 17);
    expect(walk(0, READ)).toBe(d.data[0] * 4096);
    expect(walk(0x10_0000, EXECUTE, true)).toBe(-1 - 20);
    world.memory.u32[d.l2[0] * 1024 + 1] = NX;
    expect(walk(0x1000, EXECUTE)).toBe(-1 - 17);
  });

  it('frame bits above 2^20 are reserved', () => {
    const { world, d, walk } = setUp();
    world.memory.u32[d.l1 * 1024 + 1] = 1;
    expect(walk(0, READ)).toBe(-1 - 9);
  });
});
