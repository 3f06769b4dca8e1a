import { assemble } from '@domu/testkit';
import { Reg } from '@domu/x86-cpu';
import { __HYPERVISOR_iret, FLAT_KERNEL_CS, VMASST_TYPE_writable_pagetables } from '@domu/xen-abi';
import { afterEach, describe, expect, it } from 'vitest';
import { CallBench, type CallingGuest, CODE, DATA, SPIN, STACK_TOP } from '../testing.ts';
import { VECTOR_DB, VECTOR_GP, VECTOR_PF } from './vectors.ts';

const HANDLER = 0x11000;
const CR0 = 0x8005_0033;

const bench = new CallBench();
afterEach(() => bench.clear());

/** Runs `source` in ring 1, then spins. A #GP, #PF or #DB ends in the handler, which spins. */
function run(source: string, prepare: (guest: CallingGuest) => void = () => {}): CallingGuest {
  bench.clear();
  const guest = bench.guest();
  guest.load([...assemble(source, { origin: CODE, symbols: { DATA } }).bytes, ...SPIN]);
  guest.load(SPIN, HANDLER);
  for (const vector of [VECTOR_GP, VECTOR_PF, VECTOR_DB])
    guest.vcpu.traps.set(vector, FLAT_KERNEL_CS, HANDLER, 0);
  prepare(guest);
  guest.run(100);
  expect(guest.domain.crash).toBeNull();
  return guest;
}

const faulted = (guest: CallingGuest): boolean => guest.machine.cpu.eip === HANDLER;
const reg = (guest: CallingGuest, i: number): number => guest.machine.cpu.regs[i] >>> 0;

describe('control registers', () => {
  it('mov from cr0 shows the fixed bits; clts and mov to cr0 change TS', () => {
    const guest = run(
      'mov eax, cr0\n mov ebx, eax\n or ebx, 8\n mov cr0, ebx\n mov ecx, cr0\n clts\n mov edx, cr0',
    );
    expect([reg(guest, Reg.EAX), reg(guest, Reg.ECX), reg(guest, Reg.EDX)]).toEqual(
      [CR0, CR0 | 8, CR0].map((n) => n >>> 0),
    );
  });

  it('a change of cr0 beyond TS is #GP', () => {
    expect(faulted(run('mov eax, 0x80050031\n mov cr0, eax'))).toBe(true);
  });

  it('cr3 reads as the folded frame number, and writing it back is accepted', () => {
    const guest = run('mov eax, cr3\n mov cr3, eax');
    expect(faulted(guest)).toBe(false);
    expect(reg(guest, Reg.EAX)).toBe(guest.tables[0] << 12);
  });

  it('cr3 of a frame that is no root table is #GP', () => {
    expect(faulted(run('mov eax, 0x1000\n mov cr3, eax'))).toBe(true);
  });

  it('cr4 takes the bits that a guest owns and drops the rest silently', () => {
    const guest = run('mov eax, 0x3ff\n mov cr4, eax\n mov ebx, cr4');
    expect(reg(guest, Reg.EBX)).toBe(0x62c);
  });

  it('SSE works without any doing of the guest, which sees it in cr4', () => {
    // pxor xmm0, xmm0; movd eax, xmm0
    const guest = run('.byte 0x66, 0x0f, 0xef, 0xc0, 0x66, 0x0f, 0x7e, 0xc0\n mov ebx, cr4');
    expect(faulted(guest)).toBe(false);
    expect([reg(guest, Reg.EAX), reg(guest, Reg.EBX) & 0x600]).toEqual([0, 0x600]);
  });
});

describe('model-specific registers', () => {
  it('APIC_BASE names the boot processor; EFER has NX', () => {
    const guest = run('mov ecx, 0x1b\n rdmsr\n mov ebx, eax\n mov ecx, 0xc0000080\n rdmsr');
    expect([reg(guest, Reg.EBX), reg(guest, Reg.EAX)]).toEqual([0xfee0_0900, 0x800]);
  });

  it('an unknown one is #GP(0) for a guest with a #GP handler', () => {
    expect(faulted(run('mov ecx, 0x1234\n rdmsr'))).toBe(true);
  });

  it('an unknown one reads as 0 before the guest has a #GP handler', () => {
    const guest = run('mov eax, 5\n mov ecx, 0x1234\n rdmsr', (g) => g.vcpu.traps.clear());
    expect(reg(guest, Reg.EAX)).toBe(0);
  });

  it('writing the hypercall page MSR fills the page', () => {
    const guest = run('mov eax, [DATA]\n xor edx, edx\n mov ecx, 0x40000000\n wrmsr', (g) =>
      g.write32(DATA, g.p2m[0x20] * 4096),
    );
    expect(faulted(guest)).toBe(false);
    expect(guest.read32(0x20000 + 32 * 17)).toBe(0x0000_11b8);
    expect(guest.read32(0x20000 + 32 * __HYPERVISOR_iret)).toBe(0x0017_b850);
  });
});

describe('ports and the interrupt flag', () => {
  it('in and cli are #GP(0) with a virtual IOPL of 0', () => {
    expect(faulted(run('in al, 0x80'))).toBe(true);
    expect(faulted(run('cli'))).toBe(true);
  });

  it('with a virtual IOPL of 1, in gives ones, out goes nowhere and cli leaves events as they are', () => {
    const guest = run('xor eax, eax\n in al, 0x80\n out 0x80, al\n cli\n sti', (g) => {
      g.vcpu.viopl = 1;
      g.vcpu.upcallMask = false;
    });
    expect([faulted(guest), reg(guest, Reg.EAX), guest.vcpu.upcallMask]).toEqual([false, 0xff, false]);
  });

  it("the guest's I/O bitmap lets single ports through", () => {
    const allow = (g: CallingGuest): void => {
      g.vcpu.iobitmapVa = DATA;
      g.vcpu.iobitmapPorts = 0x100;
      for (let i = 0; i < 8; i++) g.write32(DATA + 4 * i, i === 4 ? 0xffff_fffe : 0xffff_ffff);
    };
    expect(faulted(run('in al, 0x80', allow))).toBe(false);
    expect(faulted(run('in al, 0x81', allow))).toBe(true);
    expect(faulted(run('in ax, 0x80', allow))).toBe(true);
  });

  it('rep insb fills memory through es:edi', () => {
    const guest = run('mov edi, DATA\n mov ecx, 4\n mov edx, 0x60\n cld\n rep insb', (g) => {
      g.vcpu.viopl = 1;
    });
    expect([guest.read32(DATA), reg(guest, Reg.ECX), reg(guest, Reg.EDI)]).toEqual([
      0xffff_ffff,
      0,
      DATA + 4,
    ]);
  });

  it('hlt is #GP(0): Xen does not emulate it', () => {
    expect(faulted(run('hlt'))).toBe(true);
  });
});

describe('writable page tables', () => {
  /** A read-only mapping of the L1 table itself is at 0x45000 (the sixth table page). */
  const L1_AT = 0x45000;
  const enable = (g: CallingGuest): void => {
    g.domain.vmAssist |= 1 << VMASST_TYPE_writable_pagetables;
  };

  it('a write to an own L1 table changes the mapping', () => {
    const guest = run(`mov eax, [${L1_AT}]\n and eax, 0xfffffffd\n mov [${L1_AT}], eax`, enable);
    expect(faulted(guest)).toBe(false);
    expect(guest.vcpu.mem.writeU32(0, 1)).toBe(false);
    expect(guest.vcpu.mem.writeU32(0x1000, 1)).toBe(true);
  });

  it('lock btr clears one bit of an entry', () => {
    const guest = run(`lock btr dword ptr [${L1_AT + 8}], 1`, enable);
    expect(faulted(guest)).toBe(false);
    expect(guest.vcpu.mem.writeU32(0x1000, 1)).toBe(false);
  });

  it("a write that would map a page table writable is the guest's own #PF, registers untouched", () => {
    const guest = run(`mov eax, [${L1_AT + 8 * 0x40}]\n or eax, 2\n xchg [${L1_AT}], eax`, enable);
    expect(faulted(guest)).toBe(true);
    expect(reg(guest, Reg.EAX) & 2).toBe(2);
    expect(guest.read32(STACK_TOP - 16)).toBe(3);
  });

  it('without the assist it is a #PF', () => {
    expect(faulted(run(`mov dword ptr [${L1_AT}], 0`))).toBe(true);
  });
});
