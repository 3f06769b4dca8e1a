import { assemble } from '@domu/testkit';
import { Reg, Seg } from '@domu/x86-cpu';
import {
  FLAT_KERNEL_CS,
  FLAT_KERNEL_SS,
  FLAT_USER_CS,
  FLAT_USER_DS,
  FLAT_USER_SS,
  SHUTDOWN_crash,
  TI_IF,
} from '@domu/xen-abi';
import { afterEach, describe, expect, it } from 'vitest';
import { CallBench, type CallingGuest, CODE, DATA, SPIN, STACK_TOP } from '../testing.ts';
import { VECTOR_GP, VECTOR_PF, VECTOR_UD } from './vectors.ts';

const HANDLER = 0x11000;
const USER_CODE = 0x12000;
const USER_STACK = 0x18000;
const UNMAPPED = 0x20_0000;
const EFLAGS_IF = 0x200;

const bench = new CallBench();
afterEach(() => bench.clear());

function guestWith(source: string, options: { user?: boolean } = {}): CallingGuest {
  const guest = bench.guest();
  const at = options.user ? USER_CODE : CODE;
  guest.load(assemble(source, { origin: at, symbols: { DATA, UNMAPPED } }).bytes, at);
  guest.load(SPIN, HANDLER);
  if (options.user) enterUser(guest);
  return guest;
}

/** Puts the guest into ring 3 by an iret frame on the kernel's stack and the iret hypercall. */
function enterUser(guest: CallingGuest): void {
  const frame = [0xaaaa, USER_CODE, FLAT_USER_CS, EFLAGS_IF, USER_STACK, FLAT_USER_SS];
  guest.writeWords(frame, STACK_TOP - 0x100);
  const source = `mov ecx, ${FLAT_USER_DS}\n mov ds, cx\n mov esp, ${STACK_TOP - 0x100}\n mov eax, 23\n int 0x82`;
  guest.load(assemble(source, { origin: CODE }).bytes, CODE);
}

/** The words at the top of the current stack. */
function frame(guest: CallingGuest, count: number): number[] {
  return guest.readWords(count, guest.machine.cpu.regs[Reg.ESP] >>> 0);
}

describe('exceptions', () => {
  it('#PF in ring 1 pushes error code, eip, cs and eflags on the live stack, and cr2 goes to vcpu_info', () => {
    const guest = guestWith('mov eax, [UNMAPPED]');
    guest.vcpu.traps.set(VECTOR_PF, FLAT_KERNEL_CS, HANDLER, 0);
    guest.vcpu.upcallMask = false;
    guest.run(10);
    const { cpu } = guest.machine;
    expect(cpu.eip).toBe(HANDLER);
    expect(cpu.regs[Reg.ESP]).toBe(STACK_TOP - 16);
    expect(frame(guest, 4)).toEqual([0, CODE, FLAT_KERNEL_CS, expect.any(Number)]);
    expect(frame(guest, 4)[3] & EFLAGS_IF).toBe(EFLAGS_IF);
    expect(guest.machine.memory.view.getUint32(guest.vcpu.infoMaddr + 8, true)).toBe(UNMAPPED);
    expect(guest.vcpu.upcallMask).toBe(false);
  });

  it('the saved upcall mask is in bits 16-23 of the pushed cs, and shows as IF clear', () => {
    const guest = guestWith('mov eax, [UNMAPPED]');
    guest.vcpu.traps.set(VECTOR_PF, FLAT_KERNEL_CS, HANDLER, 0);
    guest.vcpu.upcallMask = true;
    guest.run(10);
    const [, , cs, eflags] = frame(guest, 4);
    expect(cs).toBe(FLAT_KERNEL_CS | (1 << 16));
    expect(eflags & EFLAGS_IF).toBe(0);
  });

  it('a gate with TI_IF masks events', () => {
    const guest = guestWith('mov eax, [UNMAPPED]');
    guest.vcpu.traps.set(VECTOR_PF, FLAT_KERNEL_CS, HANDLER, TI_IF);
    guest.vcpu.upcallMask = false;
    guest.run(10);
    expect(guest.vcpu.upcallMask).toBe(true);
  });

  it('#PF in ring 3 switches to the kernel stack, pushes ss:esp first and has U in its error code', () => {
    const guest = guestWith('mov [UNMAPPED], eax', { user: true });
    guest.vcpu.traps.set(VECTOR_PF, FLAT_KERNEL_CS, HANDLER, 0);
    guest.run(50);
    const { cpu } = guest.machine;
    expect(cpu.eip).toBe(HANDLER);
    expect(cpu.seg.selector(Seg.SS)).toBe(FLAT_KERNEL_SS);
    expect(cpu.regs[Reg.ESP]).toBe(STACK_TOP - 24);
    const [error, eip, cs, , esp, ss] = frame(guest, 6);
    expect([error, eip, cs, esp, ss]).toEqual([6, USER_CODE, FLAT_USER_CS, USER_STACK, FLAT_USER_SS]);
  });

  it('an exception without a handler crashes the domain, and the machine lives on', () => {
    const guest = guestWith('mov eax, [UNMAPPED]');
    guest.vcpu.traps.clear();
    expect(guest.run(10).state).toBe('stopped');
    expect(guest.domain.state).toEqual({ state: 'shutdown', code: SHUTDOWN_crash });
    expect(guest.domain.crash?.reason).toMatch(/null code selector/);
    expect(guest.domain.crash?.backtrace[0]).toBe(CODE);
  });

  it('a frame that cannot be written crashes the domain: unmapped stack', () => {
    const guest = guestWith('mov esp, 0xfbadc0de\n mov eax, [UNMAPPED]');
    guest.vcpu.traps.set(VECTOR_PF, FLAT_KERNEL_CS, HANDLER, 0);
    guest.run(10);
    expect(guest.domain.crash?.reason).toMatch(/cannot write the exception frame/);
  });

  it('a frame that cannot be written crashes the domain: a page table as stack', () => {
    const guest = guestWith('mov esp, 0x40800\n mov eax, [UNMAPPED]');
    guest.vcpu.traps.set(VECTOR_PF, FLAT_KERNEL_CS, HANDLER, 0);
    guest.run(10);
    expect(guest.domain.crash?.reason).toMatch(/cannot write the exception frame/);
  });

  it('a handler in a missing segment is a fault of its own, pushed above the first frame', () => {
    const guest = guestWith('mov eax, [UNMAPPED]');
    guest.vcpu.traps.set(VECTOR_PF, 0x11, HANDLER, 0);
    guest.vcpu.traps.set(VECTOR_GP, FLAT_KERNEL_CS, HANDLER, 0);
    guest.run(10);
    expect(guest.machine.cpu.eip).toBe(HANDLER);
    expect(frame(guest, 7).slice(0, 3)).toEqual([0x10, HANDLER, 0x11 | (1 << 16)]);
    expect(frame(guest, 8).slice(4, 6)).toEqual([0, CODE]);
  });
});

describe('int n', () => {
  const VECTOR = 0x20;

  it('from ring 1 needs DPL 1 and comes without an error code, eip behind it', () => {
    const guest = guestWith('int 0x20');
    guest.vcpu.traps.set(VECTOR, FLAT_KERNEL_CS, HANDLER, 1);
    guest.run(10);
    expect(guest.machine.cpu.eip).toBe(HANDLER);
    expect(frame(guest, 1)).toEqual([CODE + 2]);
  });

  it('is #GP(n << 3 | 2) at the instruction when the DPL does not permit it', () => {
    const guest = guestWith('int 0x20', { user: true });
    guest.vcpu.traps.set(VECTOR, FLAT_KERNEL_CS, HANDLER, 1);
    guest.vcpu.traps.set(VECTOR_GP, FLAT_KERNEL_CS, HANDLER, 0);
    guest.run(50);
    expect(frame(guest, 2)).toEqual([(VECTOR << 3) | 2, USER_CODE]);
  });

  it('int 0x82 in ring 3 is #GP(0x412), not a hypercall', () => {
    const guest = guestWith('int 0x82', { user: true });
    guest.vcpu.traps.set(VECTOR_GP, FLAT_KERNEL_CS, HANDLER, 0);
    guest.run(50);
    expect(frame(guest, 2)).toEqual([0x412, USER_CODE]);
  });

  it('xsa-259: int 0x80 without a gate is #GP(0x402)', () => {
    const guest = guestWith('int 0x80', { user: true });
    guest.vcpu.traps.set(VECTOR_GP, FLAT_KERNEL_CS, HANDLER, 0);
    guest.run(50);
    expect(frame(guest, 2)).toEqual([0x402, USER_CODE]);
  });

  it('int 0x80 with a gate works from ring 3 whatever its DPL says', () => {
    const guest = guestWith('int 0x80', { user: true });
    guest.vcpu.traps.set(0x80, FLAT_KERNEL_CS, HANDLER, 0);
    guest.run(50);
    expect(frame(guest, 1)).toEqual([USER_CODE + 2]);
  });

  it('int3 from ring 3 is delivered whatever the gate says', () => {
    const guest = guestWith('int3', { user: true });
    guest.vcpu.traps.set(3, FLAT_KERNEL_CS, HANDLER, 0);
    guest.run(50);
    expect(frame(guest, 1)).toEqual([USER_CODE + 1]);
  });
});

describe('events', () => {
  it('an unmasked pending event enters the callback once, with events masked', () => {
    const guest = guestWith('nop');
    guest.vcpu.callbacks.event.cs = FLAT_KERNEL_CS;
    guest.vcpu.callbacks.event.address = HANDLER;
    guest.vcpu.upcallMask = false;
    guest.vcpu.upcallPending = true;
    guest.run(5);
    expect(guest.machine.cpu.eip).toBe(HANDLER);
    expect(guest.vcpu.upcallMask).toBe(true);
    expect(guest.machine.cpu.regs[Reg.ESP]).toBe(STACK_TOP - 12);
    expect(frame(guest, 2)).toEqual([CODE, FLAT_KERNEL_CS]);
    expect(guest.machine.counters.upcalls).toBeGreaterThan(0);
  });

  it('a masked event waits', () => {
    const guest = guestWith('.byte 0xeb, 0xfe');
    guest.vcpu.callbacks.event.cs = FLAT_KERNEL_CS;
    guest.vcpu.callbacks.event.address = HANDLER;
    guest.vcpu.upcallPending = true;
    guest.run(5);
    expect(guest.machine.cpu.eip).toBe(CODE);
  });
});

describe('sysenter', () => {
  it('enters its callback with a frame of flat user selectors and zeros', () => {
    const guest = guestWith('sysenter', { user: true });
    guest.vcpu.callbacks.sysenter.cs = FLAT_KERNEL_CS;
    guest.vcpu.callbacks.sysenter.address = HANDLER;
    guest.run(50);
    const [eip, cs, , esp, ss] = frame(guest, 5);
    expect([eip, cs, esp, ss]).toEqual([0, 3, 0, FLAT_USER_SS]);
  });

  it('is #GP(0) with the same frame when no callback is registered', () => {
    const guest = guestWith('sysenter', { user: true });
    guest.vcpu.traps.set(VECTOR_GP, FLAT_KERNEL_CS, HANDLER, 0);
    guest.run(50);
    expect(frame(guest, 3)).toEqual([0, 0, 3]);
  });
});

describe('forced cpuid', () => {
  it('ud2; "xen"; cpuid answers from ring 3 and shows Xen', () => {
    const source =
      'mov eax, 0x40000000\n ud2\n .byte 0x78, 0x65, 0x6e\n cpuid\n mov [DATA], ebx\n .byte 0xeb, 0xfe';
    const guest = guestWith(source, { user: true });
    guest.run(50);
    expect(guest.read32(DATA)).toBe(0x566e6558);
  });

  it("a plain ud2 is the guest's own #UD", () => {
    const guest = guestWith('ud2');
    guest.vcpu.traps.set(VECTOR_UD, FLAT_KERNEL_CS, HANDLER, 0);
    guest.run(10);
    expect(frame(guest, 1)).toEqual([CODE]);
  });
});
