import { assemble } from '@domu/testkit';
import { Reg, Seg } from '@domu/x86-cpu';
import { FLAT_KERNEL_CS, FLAT_USER_CS, FLAT_USER_DS, FLAT_USER_SS } from '@domu/xen-abi';
import { afterEach, expect, it } from 'vitest';
import { setGdt } from '../descriptor-tables.ts';
import { CallBench, type CallingGuest, CODE, GUEST_PAGES, SPIN, STACK_TOP } from '../testing.ts';
import { VECTOR_GP } from './vectors.ts';

const HANDLER = 0x11000;
const USER_CODE = 0x12000;
const USER_STACK = 0x18000;
const GATE_TARGET = 0x13000;
const GDT_PAGE = 0x30000;
/** Index 2 of the GDT. */
const GATE = 0x10;

const bench = new CallBench();
afterEach(() => bench.clear());

/** A guest in ring 3 with a call gate of `dpl` and `params` parameters to GATE_TARGET; runs `source` there. */
function runUser(source: string, gate: { dpl: number; params?: number }): CallingGuest {
  const guest = bench.guest();
  guest.load(assemble(source, { origin: USER_CODE, symbols: { GATE } }).bytes, USER_CODE);
  guest.load(SPIN, HANDLER);
  guest.load(SPIN, GATE_TARGET);
  guest.vcpu.traps.set(VECTOR_GP, FLAT_KERNEL_CS, HANDLER, 0);
  installGate(guest, gate.dpl, gate.params ?? 0);
  guest.writeWords([0, USER_CODE, FLAT_USER_CS, 0x202, USER_STACK, FLAT_USER_SS], STACK_TOP - 0x100);
  const toUser = `mov ecx, ${FLAT_USER_DS}\n mov ds, cx\n mov esp, ${STACK_TOP - 0x100}\n mov eax, 23\n int 0x82`;
  guest.load(assemble(toUser, { origin: CODE }).bytes);
  guest.run(50);
  return guest;
}

function installGate(guest: CallingGuest, dpl: number, params: number): void {
  const lo = ((FLAT_KERNEL_CS & 0xffff) << 16) | (GATE_TARGET & 0xffff);
  const hi = (GATE_TARGET & 0xffff_0000) | 0x8c00 | (dpl << 13) | params;
  guest.writeWords([0, 0, 0, 0, lo >>> 0, hi >>> 0], GDT_PAGE);
  const page = GDT_PAGE >>> 12;
  const { paging } = guest.domain;
  const entry = guest.machine.memory.u32[guest.tables[5] * 1024 + 2 * page];
  expect(page).toBeLessThan(GUEST_PAGES);
  expect(paging.updateVaMapping(guest.vcpu.rootMfn, GDT_PAGE, entry & ~2, 0)).toBe(0);
  expect(setGdt(guest.vcpu, [guest.p2m[page]], 512)).toBe(0);
}

const words = (guest: CallingGuest, count: number): number[] =>
  guest.readWords(count, guest.machine.cpu.regs[Reg.ESP] >>> 0);

it('a far call from ring 3 enters the kernel on its stack, with parameters copied', () => {
  const guest = runUser('push 0x22\n push 0x11\n call GATE:0', { dpl: 3, params: 2 });
  const { cpu } = guest.machine;
  expect(cpu.eip).toBe(GATE_TARGET);
  expect([cpu.seg.selector(Seg.CS), cpu.cpl]).toEqual([FLAT_KERNEL_CS, 1]);
  expect(words(guest, 6)).toEqual([USER_CODE + 11, FLAT_USER_CS, 0x11, 0x22, USER_STACK - 8, FLAT_USER_SS]);
});

it('a gate whose DPL is too small is #GP with its selector', () => {
  const guest = runUser('call GATE:0', { dpl: 1 });
  expect(guest.machine.cpu.eip).toBe(HANDLER);
  expect(words(guest, 2)).toEqual([GATE, USER_CODE]);
});

it('a jump may not change the ring', () => {
  const guest = runUser('jmp GATE:0', { dpl: 3 });
  expect(guest.machine.cpu.eip).toBe(HANDLER);
  expect(words(guest, 2)).toEqual([FLAT_KERNEL_CS & ~3, USER_CODE]);
});

it("another use of the selector is the guest's own #GP", () => {
  const guest = runUser('mov ax, GATE\n mov es, ax', { dpl: 3 });
  expect(guest.machine.cpu.eip).toBe(HANDLER);
  expect(words(guest, 1)).toEqual([GATE]);
});
