import { assemble } from '@domu/testkit';
import { Reg, Seg } from '@domu/x86-cpu';
import {
  __HYPERVISOR_mmuext_op,
  __HYPERVISOR_set_gdt,
  __HYPERVISOR_update_descriptor,
  __HYPERVISOR_update_va_mapping,
  FLAT_KERNEL_CS,
  MMUEXT_NEW_BASEPTR,
  MMUEXT_SET_LDT,
  UVMF_INVLPG,
} from '@domu/xen-abi';
import { afterEach, describe, expect, it } from 'vitest';
import { setGdt } from '../descriptor-tables.ts';
import { CallBench, type CallingGuest, CODE, DATA, SPIN } from '../testing.ts';
import { VECTOR_GP, VECTOR_NP, VECTOR_PF } from './vectors.ts';

const HANDLER = 0x11000;
const TABLE = 0x30000;
const OTHER_TABLE = 0x31000;
/** Entry 1 of the GDT and of the LDT, for ring 1. */
const GDT_SELECTOR = 0x9;
const LDT_SELECTOR = 0xd;
const PRESENT = 0x8000;

const bench = new CallBench();
afterEach(() => bench.clear());

/** Words of a present, writable, accessed data segment of ring 1. */
const descriptorAt = (base: number): [number, number] => [
  (((base & 0xffff) << 16) | 0xffff) >>> 0,
  ((base & 0xff00_0000) | ((base >>> 16) & 0xff) | 0x00cf_b300) >>> 0,
];

/** Makes a page hold descriptors: entry 1 is a data segment at `base`. @returns its frame */
function tableAt(guest: CallingGuest, va: number, base: number): number {
  const gfn = guest.p2m[va >>> 12];
  guest.writeWords([0, 0, ...descriptorAt(base)], va);
  const entry = ((gfn << 12) | 1) >>> 0;
  expect(guest.call(__HYPERVISOR_update_va_mapping, va, entry, 0, UVMF_INVLPG)).toBe(0);
  return gfn;
}

/** A guest that loads DS from CX, and GS by POP, for ever. */
function loading(selector: number): CallingGuest {
  const guest = bench.guest();
  guest.load(assemble('again: mov ds, cx\n push ecx\n pop gs\n jmp again', { origin: CODE }).bytes);
  guest.load(SPIN, HANDLER);
  for (const vector of [VECTOR_GP, VECTOR_NP, VECTOR_PF])
    guest.vcpu.traps.set(vector, FLAT_KERNEL_CS, HANDLER, 0);
  guest.machine.withRegisters(guest.vcpu, (cpu) => {
    cpu.regs[Reg.ECX] = selector;
  });
  return guest;
}

function bases(guest: CallingGuest): number[] {
  return guest.machine.withRegisters(guest.vcpu, ({ seg }) => [seg.base(Seg.DS), seg.base(Seg.GS)]);
}

const eipOf = (guest: CallingGuest): number => guest.machine.withRegisters(guest.vcpu, (cpu) => cpu.eip);
const errorOf = (guest: CallingGuest): number =>
  guest.read32(guest.machine.withRegisters(guest.vcpu, (cpu) => cpu.regs[Reg.ESP] >>> 0));

describe('a selector that is loaded again and again', () => {
  it('follows update_descriptor', () => {
    const guest = loading(GDT_SELECTOR);
    const gfn = tableAt(guest, TABLE, 0x1000);
    expect(setGdt(guest.vcpu, [gfn], 512)).toBe(0);
    guest.run(100);
    expect(bases(guest)).toEqual([0x1000, 0x1000]);
    const update = (low: number, high: number): number =>
      guest.call(__HYPERVISOR_update_descriptor, ((gfn << 12) | 8) >>> 0, gfn >>> 20, low, high);
    const [low, high] = descriptorAt(0x5000);
    expect(update(low, high)).toBe(0);
    guest.run(100);
    expect(bases(guest)).toEqual([0x5000, 0x5000]);
    expect(update(low, high & ~PRESENT)).toBe(0);
    guest.run(100);
    expect([eipOf(guest), errorOf(guest)]).toEqual([HANDLER, GDT_SELECTOR & ~3]);
  });

  it('follows set_gdt to another frame, and to a table that ends before it', () => {
    const guest = loading(GDT_SELECTOR);
    const first = tableAt(guest, TABLE, 0x1000);
    const second = tableAt(guest, OTHER_TABLE, 0x7000);
    expect(setGdt(guest.vcpu, [first], 512)).toBe(0);
    guest.run(100);
    guest.writeWords([second]);
    expect(guest.call(__HYPERVISOR_set_gdt, DATA, 512)).toBe(0);
    guest.run(100);
    expect(bases(guest)).toEqual([0x7000, 0x7000]);
    expect(guest.call(__HYPERVISOR_set_gdt, DATA, 1)).toBe(0);
    guest.run(100);
    expect([eipOf(guest), errorOf(guest)]).toEqual([HANDLER, GDT_SELECTOR & ~3]);
  });

  it('names what the GDT of the vCPU that runs has there', () => {
    const guest = loading(GDT_SELECTOR);
    const other = bench.guest();
    other.load(assemble('again: mov ds, cx\n jmp again', { origin: CODE }).bytes);
    other.machine.withRegisters(other.vcpu, (cpu) => {
      cpu.regs[Reg.ECX] = GDT_SELECTOR;
    });
    expect(setGdt(guest.vcpu, [tableAt(guest, TABLE, 0x1000)], 512)).toBe(0);
    expect(setGdt(other.vcpu, [tableAt(other, TABLE, 0x2000)], 512)).toBe(0);
    for (let i = 0; i < 4; i++) {
      for (const { vcpu } of [guest, other]) {
        guest.machine.withRegisters(vcpu, (cpu) => cpu.run(10));
      }
    }
    expect(bases(guest)[0]).toBe(0x1000);
    expect(bases(other)[0]).toBe(0x2000);
  });

  it('names nothing any more when the LDT is taken away', () => {
    const guest = loading(LDT_SELECTOR);
    tableAt(guest, TABLE, 0x3000);
    guest.writeWords([MMUEXT_SET_LDT, TABLE, 512]);
    expect(guest.call(__HYPERVISOR_mmuext_op, DATA, 1, 0, 0x7ff0)).toBe(0);
    guest.run(100);
    expect(bases(guest)).toEqual([0x3000, 0x3000]);
    guest.writeWords([MMUEXT_SET_LDT, 0, 0]);
    expect(guest.call(__HYPERVISOR_mmuext_op, DATA, 1, 0, 0x7ff0)).toBe(0);
    guest.run(100);
    expect([eipOf(guest), errorOf(guest)]).toEqual([HANDLER, LDT_SELECTOR & ~3]);
  });

  it('is a page fault when the page of the LDT is no longer mapped', () => {
    const guest = loading(LDT_SELECTOR);
    tableAt(guest, TABLE, 0x3000);
    guest.writeWords([MMUEXT_SET_LDT, TABLE, 512]);
    expect(guest.call(__HYPERVISOR_mmuext_op, DATA, 1, 0, 0x7ff0)).toBe(0);
    guest.run(100);
    expect(guest.call(__HYPERVISOR_update_va_mapping, TABLE, 0, 0, UVMF_INVLPG)).toBe(0);
    guest.writeWords([MMUEXT_NEW_BASEPTR, guest.tables[0], 0]);
    expect(guest.call(__HYPERVISOR_mmuext_op, DATA, 1, 0, 0x7ff0)).toBe(0);
    guest.run(100);
    expect(eipOf(guest)).toBe(HANDLER);
    expect(guest.machine.cpu.cr2).toBe(TABLE + 8);
  });
});
