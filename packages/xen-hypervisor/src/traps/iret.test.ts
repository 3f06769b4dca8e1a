import { assemble } from '@domu/testkit';
import { Reg, Seg } from '@domu/x86-cpu';
import {
  __HYPERVISOR_iret,
  __HYPERVISOR_multicall,
  __HYPERVISOR_xen_version,
  FLAT_KERNEL_CS,
  FLAT_USER_CS,
  FLAT_USER_SS,
  VMASST_TYPE_architectural_iopl,
} from '@domu/xen-abi';
import { afterEach, describe, expect, it } from 'vitest';
import { CallBench, type CallingGuest, DATA, hypercall, SPIN, STACK_TOP } from '../testing.ts';
import { readIretFrame } from './iret.ts';
import { VECTOR_GP } from './vectors.ts';

const TARGET = 0x12000;
const HANDLER = 0x11000;
const FRAME = STACK_TOP - 0x100;
const USER_STACK = 0x18000;

const bench = new CallBench();
afterEach(() => bench.clear());

/** Runs `code` with the iret frame `frame` at the top of the stack. */
function iretWith(
  frame: readonly number[],
  code: readonly number[] = hypercall(__HYPERVISOR_iret),
): CallingGuest {
  const guest = bench.guest();
  guest.writeWords(frame, FRAME);
  guest.load(SPIN, TARGET);
  guest.load(SPIN, HANDLER);
  guest.load([...assemble(`mov esp, ${FRAME}`).bytes, ...code]);
  guest.run(50);
  return guest;
}

describe('readIretFrame', () => {
  const memory = new Map([1, 2, 0xe019, 0x200].map((word, i) => [0x100 + 4 * i, word]));

  it('pops 16 bytes for a return within ring 1', () => {
    expect(readIretFrame((va) => memory.get(va) ?? -1, 0x100)).toMatchObject({
      eax: 1,
      eip: 2,
      esp: 0x110,
      ss: -1,
    });
  });

  it('is null when esp and ss of an outer ring cannot be read', () => {
    memory.set(0x108, 0xe02b);
    expect(readIretFrame((va) => memory.get(va) ?? -1, 0x100)).toBeNull();
  });
});

describe('the iret hypercall', () => {
  it('returns within ring 1: eax, eip and esp from the frame, mask = !IF', () => {
    const guest = iretWith([0xdead, TARGET, FLAT_KERNEL_CS, 0x200]);
    const { cpu } = guest.machine;
    expect([cpu.regs[Reg.EAX], cpu.eip, cpu.regs[Reg.ESP]]).toEqual([0xdead, TARGET, FRAME + 16]);
    expect(guest.vcpu.upcallMask).toBe(false);
  });

  it('returns to ring 3, where the data segments of the kernel are gone', () => {
    const guest = iretWith([7, TARGET, FLAT_USER_CS, 0, USER_STACK, FLAT_USER_SS]);
    const { cpu } = guest.machine;
    expect([cpu.cpl, cpu.eip, cpu.regs[Reg.ESP]]).toEqual([3, TARGET, USER_STACK]);
    expect([cpu.seg.selector(Seg.DS), cpu.seg.attr(Seg.DS)]).toEqual([0, 0]);
    expect(guest.vcpu.upcallMask).toBe(true);
    expect(cpu.eflags & 0x3200).toBe(0x200);
  });

  it('takes the virtual IOPL from EFLAGS only with architectural_iopl', () => {
    expect(iretWith([0, TARGET, FLAT_KERNEL_CS, 0x3200]).vcpu.viopl).toBe(0);
    bench.clear();
    const guest = bench.guest();
    guest.domain.vmAssist = 1 << VMASST_TYPE_architectural_iopl;
    guest.writeWords([0, TARGET, FLAT_KERNEL_CS, 0x3200], FRAME);
    guest.load([...assemble(`mov esp, ${FRAME}`).bytes, ...hypercall(__HYPERVISOR_iret)]);
    guest.load(SPIN, TARGET);
    guest.run(50);
    expect(guest.vcpu.viopl).toBe(3);
  });

  it('to ring 0 crashes the domain', () => {
    expect(iretWith([0, TARGET, 0xe018, 0x200]).domain.crash?.reason).toMatch(/ring 0/);
  });

  it('with an unreadable frame crashes the domain', () => {
    const guest = bench.guest();
    guest.load([...assemble('mov esp, 0x200000').bytes, ...hypercall(__HYPERVISOR_iret)]);
    guest.run(50);
    expect(guest.domain.crash?.reason).toMatch(/cannot read the frame/);
  });

  it('to a selector that cannot be loaded is #GP from the context it names', () => {
    const guest = bench.guest();
    guest.vcpu.traps.set(VECTOR_GP, FLAT_KERNEL_CS, HANDLER, 0);
    guest.writeWords([0, TARGET, 0x13, 0x200, USER_STACK, FLAT_USER_SS], FRAME);
    guest.load(SPIN, HANDLER);
    guest.load([...assemble(`mov esp, ${FRAME}`).bytes, ...hypercall(__HYPERVISOR_iret)]);
    guest.run(50);
    expect(guest.machine.cpu.eip).toBe(HANDLER);
    expect(guest.readWords(3, guest.machine.cpu.regs[Reg.ESP] >>> 0)).toEqual([0x10, TARGET, 0x13]);
  });
});

describe('multicall', () => {
  it('xsa-213: stops at iret, and later entries are untouched', () => {
    const entry = (op: number): number[] => [op, 0, 0, 0, 0, 0, 0, 0];
    const guest = bench.guest();
    guest.writeWords([...entry(__HYPERVISOR_iret), ...entry(__HYPERVISOR_xen_version)]);
    guest.writeWords([0xdead, TARGET, FLAT_USER_CS, 0x200, USER_STACK, FLAT_USER_SS], FRAME);
    guest.load(SPIN, TARGET);
    guest.load([...assemble(`mov esp, ${FRAME}`).bytes, ...hypercall(__HYPERVISOR_multicall, DATA, 2)]);
    guest.run(50);
    const { cpu } = guest.machine;
    expect([cpu.eip, cpu.cpl, cpu.regs[Reg.EAX]]).toEqual([TARGET, 3, 0xdead]);
    expect(guest.read32(DATA + 32 + 4)).toBe(0);
  });
});
