import { assemble } from '@domu/testkit';
import { SHUTDOWN_poweroff, SHUTDOWN_suspend } from '@domu/xen-abi';
import { describe, expect, it } from 'vitest';
import { CODE, TestGuest } from '../src/testing.ts';

const RESULT = 0x8000;
/** Suspends with the frame of its start_info in EDX, notes what came back, and powers off. */
const SUSPEND = `
        push 2
        mov ecx, esp
        mov ebx, 2              # SCHEDOP_shutdown
        mov edx, 0x1234
        mov eax, 29
        int 0x82
        mov [RESULT], eax
        mov dword ptr [esp], 0
        mov ecx, esp
        mov eax, 29
        int 0x82
`;

function suspended(): TestGuest {
  const guest = new TestGuest();
  guest.load(assemble(SUSPEND, { origin: CODE, symbols: { RESULT } }).bytes);
  guest.start();
  guest.write32(RESULT, 99);
  guest.run();
  return guest;
}

describe('suspend', () => {
  it('is recorded with its reason, and nothing runs until the domain is resumed', () => {
    const guest = suspended();
    expect(guest.domain.state).toEqual({ state: 'shutdown', code: SHUTDOWN_suspend });
    expect(guest.run()).toEqual({ state: 'stopped' });
    expect(guest.read32(RESULT)).toBe(99);
    expect(guest.machine.withRegisters(guest.vcpu, (cpu) => cpu.regs[2])).toBe(0x1234);
  });

  it.each([0, 1] as const)('a resumed domain goes on behind its hypercall with %i in EAX', (result) => {
    const guest = suspended();
    expect(guest.machine.resumeDomain(guest.domain, result)).toBe(true);
    guest.run();
    expect(guest.read32(RESULT)).toBe(result);
    expect(guest.domain.state).toEqual({ state: 'shutdown', code: SHUTDOWN_poweroff });
  });

  it('only a suspended domain can be resumed', () => {
    const guest = suspended();
    guest.machine.resumeDomain(guest.domain, 1);
    expect(guest.machine.resumeDomain(guest.domain, 1)).toBe(false);
    guest.run();
    expect(guest.machine.resumeDomain(guest.domain, 1)).toBe(false);
  });
});
