import { assemble } from '@domu/testkit';
import {
  __HYPERVISOR_fpu_taskswitch,
  FLAT_KERNEL_CS,
  SHUTDOWN_poweroff,
  VcpuGuestContext,
  VGCF_i387_valid,
} from '@domu/xen-abi';
import { describe, expect, it } from 'vitest';
import { initialiseVcpu, Machine, VirtualClock, vcpuContext } from '../src/index.ts';
import { CODE, hypercall, le32, SPIN, STACK_TOP, storeEax, TestGuest } from '../src/testing.ts';

const RESULT = 0x8000;
const HANDLER = 0x1_1000;
const HANDLED = 0x8010;
const VECTOR_NM = 7;

/**
 * Loads its own number into the FPU and SSE, sets a rounding of its own, then lets the others run again and again, and
 * adds up what it finds in its registers. ESI: the number of this vCPU or domain.
 */
const KEEPER = `
          mov [RESULT+8], esi
          .byte 0xdb, 0x05, 0x08, 0x80, 0x00, 0x00 # fild dword ptr [RESULT+8]
          .byte 0xf2, 0x0f, 0x2a, 0xde # cvtsi2sd xmm3, esi
          mov eax, esi
          shl eax, 10
          or eax, 0x37f
          mov [RESULT+12], eax
          .byte 0xd9, 0x2d, 0x0c, 0x80, 0x00, 0x00 # fldcw [RESULT+12]
          mov ecx, ROUNDS
          xor edi, edi
again:    push ecx
          mov eax, 29                   # sched_op, yield
          xor ebx, ebx
          xor ecx, ecx
          int 0x82
          mov ecx, 3000
spin:     dec ecx
          jnz spin
          pop ecx
          .byte 0xdb, 0x15, 0x04, 0x80, 0x00, 0x00 # fist dword ptr [RESULT+4]
          add edi, [RESULT+4]
          .byte 0xf2, 0x0f, 0x2c, 0xc3 # cvttsd2si eax, xmm3
          add edi, eax
          .byte 0xd9, 0x3d, 0x0c, 0x80, 0x00, 0x00 # fnstcw [RESULT+12]
          movzx eax, word ptr [RESULT+12]
          add edi, eax
          dec ecx
          jnz again
          mov [RESULT], edi
          mov eax, 29
          mov ebx, 2                    # shutdown
          mov dword ptr [RESULT+4], 0
          mov ecx, RESULT+4
          int 0x82
          .byte 0xeb, 0xfe
`;
const ROUNDS = 50;

describe('the FPU of several guests', () => {
  it('stays with its vCPU, whoever runs in between', () => {
    const machine = new Machine({ memoryMiB: 8, clock: new VirtualClock() });
    const program = assemble(KEEPER, {
      origin: CODE,
      symbols: { RESULT, ROUNDS },
    }).bytes;
    const guests = [0, 1, 2, 3].map((number) => {
      const guest = new TestGuest({ machine });
      guest.load(program);
      guest.start();
      machine.withRegisters(guest.vcpu, (cpu) => {
        cpu.regs[6] = number;
      });
      return guest;
    });
    for (let i = 0; i < 100 && guests.some(({ domain }) => domain.state.state === 'running'); i++)
      machine.run(100_000);
    for (const [number, guest] of guests.entries()) {
      expect(guest.domain.state).toEqual({ state: 'shutdown', code: SHUTDOWN_poweroff });
      const control = 0x37f | (number << 10);
      expect(guest.read32(RESULT)).toBe(ROUNDS * (2 * number + control));
    }
    expect(machine.counters.contextSwitches).toBeGreaterThan(ROUNDS);
  });

  it('is part of the context that a vCPU is made from, and of its snapshot', () => {
    const guest = new TestGuest();
    const context = guest.context(CODE, STACK_TOP);
    const { fpu_ctxt: fpu, flags } = VcpuGuestContext;
    flags.set(context, 0, flags.get(context, 0) | VGCF_i387_valid);
    const image = new Uint8Array(context.buffer, fpu.offset, fpu.size);
    const view = new DataView(context.buffer, fpu.offset, fpu.size);
    view.setUint16(0, 0x27f, true); // FCW: 53 bits
    view.setUint16(2, 0x3800, true); // FSW: TOP 7
    view.setUint16(4, 0x80, true); // R7 is in use
    view.setUint32(24, 0x1fa0, true); // MXCSR with PE
    view.setUint32(28, 0xffff, true);
    view.setBigUint64(32, 0xc000_0000_0000_0000n, true); // ST0 = 3.0
    view.setUint16(40, 0x4000, true);
    for (let i = 0; i < 128; i++) image[160 + i] = i;
    expect(initialiseVcpu(guest.vcpu, context)).toBe(0);
    const snapshot = vcpuContext(guest.vcpu);
    expect([...new Uint8Array(snapshot.buffer, fpu.offset, fpu.size)]).toEqual([...image]);
    expect(flags.get(snapshot, 0) & VGCF_i387_valid).toBe(VGCF_i387_valid);
    guest.load([
      ...[0xdb, 0x15, ...le32(RESULT)], // fist dword ptr [RESULT]
      ...[0x66, 0x0f, 0x7e, 0xc8], // movd eax, xmm1
      ...storeEax(RESULT + 4),
      ...SPIN,
    ]);
    guest.domain.unpause();
    guest.run(100);
    expect([guest.read32(RESULT), guest.read32(RESULT + 4)]).toEqual([3, 0x1312_1110]);
  });

  it('without VGCF_i387_valid is new, whatever the context holds', () => {
    const guest = new TestGuest();
    const context = guest.context(CODE, STACK_TOP);
    new Uint8Array(context.buffer, VcpuGuestContext.fpu_ctxt.offset, 512).fill(0xaa);
    expect(initialiseVcpu(guest.vcpu, context)).toBe(0);
    const snapshot = vcpuContext(guest.vcpu);
    expect(snapshot.getUint16(0, true)).toBe(0x37f);
    expect(snapshot.getUint32(24, true)).toBe(0x1f80);
  });
});

describe('fpu_taskswitch', () => {
  it('makes the next FPU or SSE instruction #NM, which clears TS', () => {
    for (const insn of [
      [0xd9, 0xe8], // fld1
      [0x0f, 0x58, 0xc1], // addps
      [0x0f, 0xef, 0xc0], // pxor mm0, mm0
    ]) {
      const guest = new TestGuest();
      guest.load([...hypercall(__HYPERVISOR_fpu_taskswitch, 1), ...insn, ...insn, ...SPIN]);
      guest.start();
      guest.vcpu.traps.set(VECTOR_NM, FLAT_KERNEL_CS, HANDLER, 0);
      guest.load(
        assemble('inc dword ptr [HANDLED]\n iretd', { origin: HANDLER, symbols: { HANDLED } }).bytes,
        HANDLER,
      );
      guest.run(200);
      expect(guest.domain.crash).toBeNull();
      expect(guest.read32(HANDLED)).toBe(1);
    }
  });

  it('with 0 takes that back', () => {
    const guest = new TestGuest();
    guest.load([
      ...hypercall(__HYPERVISOR_fpu_taskswitch, 1),
      ...hypercall(__HYPERVISOR_fpu_taskswitch, 0),
      0xd9,
      0xe8,
      ...SPIN,
    ]);
    guest.start();
    guest.vcpu.traps.set(VECTOR_NM, FLAT_KERNEL_CS, HANDLER, 0);
    guest.load(SPIN, HANDLER);
    guest.run(200);
    expect(guest.machine.cpu.eip).not.toBe(HANDLER);
  });
});
