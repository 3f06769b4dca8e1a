import { __HYPERVISOR_sched_op, type GuestPort, SEMIHOST_PREFIX } from '@domu/xen-abi';
import { describe, expect, it } from 'vitest';
import { CODE, DATA, TestGuest } from './testing.ts';

const MOV_EAX_5 = [0xb8, 5, 0, 0, 0];
const JMP_SELF = [0xeb, 0xfe];
const semihost = (index: number): number[] => [...SEMIHOST_PREFIX, index];

function guestWith(...code: number[]): TestGuest {
  const guest = new TestGuest();
  guest.load(code);
  guest.start();
  return guest;
}

describe('a semihosting instruction', () => {
  it('calls the kernel in ring 1 and goes on behind it with the registers as the kernel leaves them', () => {
    const guest = guestWith(...MOV_EAX_5, ...semihost(0xa7), ...JMP_SELF);
    const seen: number[] = [];
    guest.domain.semihost = ({ regs }, index) => {
      seen.push(index, regs.eax, regs.eip, regs.cs & 3);
      regs.eax = 0xffff_fffe;
    };
    guest.run();
    expect(seen).toEqual([0xa7, 5, CODE + 11, 1]);
    expect(guest.machine.withRegisters(guest.vcpu, (cpu) => cpu.regs[0])).toBe(-2);
  });

  it('is #UD in a domain whose kernel is machine code', () => {
    const guest = guestWith(...semihost(0));
    guest.run();
    expect(guest.domain.crash?.reason).toContain('handler has null code selector');
    expect(guest.machine.counters.traps[6]).toBe(1);
  });

  it('with another signature is #UD', () => {
    const guest = guestWith(0x0f, 0x0b, 0x64, 0x6f, 0x6e, 0);
    guest.domain.semihost = () => expect.unreachable();
    guest.run();
    expect(guest.machine.counters.semihostCalls).toBe(0);
    expect(guest.domain.crash).not.toBeNull();
  });
});

describe('the port', () => {
  function withPort(use: (port: GuestPort, guest: TestGuest) => void): void {
    const guest = guestWith(...semihost(1), ...JMP_SELF);
    let ran = false;
    guest.domain.semihost = (port) => {
      ran = true;
      use(port, guest);
    };
    guest.run();
    expect(ran).toBe(true);
  }

  it('reads and writes what ring 1 may, across pages', () =>
    withPort((port) => {
      expect(port.write32(DATA + 0xffe, 0x8899_aabb)).toBe(true);
      expect(port.read32(DATA + 0xffe)).toBe(0x8899_aabb);
      expect([port.read16(DATA + 0x1000), port.read8(DATA + 0xfff)]).toEqual([0x8899, 0xaa]);
      expect(port.writeBytes(DATA + 0xffd, Uint8Array.of(1, 2, 3, 4, 5))).toBe(true);
      const bytes = new Uint8Array(6);
      expect(port.readBytes(DATA + 0xffc, bytes)).toBe(true);
      expect([...bytes]).toEqual([0, 1, 2, 3, 4, 5]);
      expect(port.compareExchange32(DATA, 0, 7)).toBe(0);
      expect(port.compareExchange32(DATA, 0, 8)).toBe(7);
      expect(port.read32(DATA)).toBe(7);
    }));

  it('tells where and why an access failed, and changes nothing', () =>
    withPort((port) => {
      const unmapped = 0x100_0000;
      expect([port.read8(unmapped + 3), port.fault.address, port.fault.errorCode]).toEqual([
        -1,
        unmapped + 3,
        0,
      ]);
      expect([port.write16(unmapped, 1), port.fault.errorCode]).toEqual([false, 2]);
      const tables = 64 * 4096;
      expect([port.write32(tables, 1), port.fault.errorCode]).toEqual([false, 3]);
      expect([port.writeBytes(tables - 4, new Uint8Array(8)), port.fault.address]).toEqual([false, tables]);
      expect([port.readBytes(unmapped, new Uint8Array(2)), port.fault.errorCode]).toEqual([false, 0]);
      expect(port.compareExchange32(tables, port.read32(tables), 1)).toBe(-1);
    }));

  it('makes hypercalls as int 0x82 does; a blocked vCPU sleeps when the kernel is done', () => {
    const guest = guestWith(...semihost(1), ...semihost(2), ...JMP_SELF);
    const calls: number[] = [];
    guest.domain.semihost = (port, index) => {
      calls.push(index, port.hypercall(63));
      port.hypercall(__HYPERVISOR_sched_op, 1);
    };
    expect(guest.run().state).toBe('idle');
    expect(calls).toEqual([1, -38]);
  });
});
