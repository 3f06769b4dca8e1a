import { assemble } from '@domu/testkit';
import { Reg } from '@domu/x86-cpu';
import { FLAT_KERNEL_CS } from '@domu/xen-abi';
import { afterEach, describe, expect, it } from 'vitest';
import { CallBench, type CallingGuest, CODE, SPIN } from '../testing.ts';
import { guestCpuid } from './cpuid.ts';
import { VECTOR_GP, VECTOR_NM, VECTOR_UD } from './vectors.ts';

const HANDLER = 0x11000;

const bench = new CallBench();
afterEach(() => bench.clear());

function run(bytes: readonly number[]): CallingGuest {
  bench.clear();
  const guest = bench.guest();
  guest.load([...bytes, ...SPIN]);
  guest.load(SPIN, HANDLER);
  for (const vector of [VECTOR_UD, VECTOR_NM, VECTOR_GP])
    guest.vcpu.traps.set(vector, FLAT_KERNEL_CS, HANDLER, 0);
  guest.run(100);
  return guest;
}

function leaf(number: number, subleaf = 0): Uint32Array {
  const out = new Uint32Array(4);
  guestCpuid(run([]).vcpu, number, subleaf, out);
  return out;
}

/** Feature, register of leaf 1 (2: ECX, 3: EDX), bit, and an instruction that is #UD without it. */
const FEATURES = [
  ['FPU', 3, 0, [0xd9, 0xe8]], // fld1
  ['CX8', 3, 8, [0x0f, 0xc7, 0x0d, 0, 0x20, 1, 0]], // cmpxchg8b [0x12000]
  ['CMOV', 3, 15, [0x0f, 0x44, 0xc1]],
  ['CLFSH', 3, 19, [0x0f, 0xae, 0x3d, 0, 0x20, 1, 0]], // clflush [0x12000]
  ['MMX', 3, 23, [0x0f, 0xef, 0xc0]], // pxor mm0, mm0
  ['FXSR', 3, 24, [0x0f, 0xae, 0x05, 0, 0x20, 1, 0]], // fxsave [0x12000]
  ['SSE', 3, 25, [0x0f, 0x58, 0xc1]], // addps
  ['SSE2', 3, 26, [0x66, 0x0f, 0x58, 0xc1]], // addpd
  ['SSE3', 2, 0, [0xf2, 0x0f, 0x7c, 0xc1]], // haddps
  ['SSSE3', 2, 9, [0x66, 0x0f, 0x38, 0x00, 0xc1]], // pshufb
  ['SSE4.1', 2, 19, [0x66, 0x0f, 0x38, 0x17, 0xc1]], // ptest
  ['SSE4.2', 2, 20, [0xf2, 0x0f, 0x38, 0xf1, 0xc1]], // crc32
  ['POPCNT', 2, 23, [0xf3, 0x0f, 0xb8, 0xc1]],
] as const;

describe('CPUID', () => {
  it.each(FEATURES)('%s is reported, and its instructions work in a guest', (_name, register, bit, insn) => {
    expect((leaf(1)[register] >>> bit) & 1).toBe(1);
    const guest = run(insn);
    expect(guest.domain.crash).toBeNull();
    expect(guest.machine.cpu.eip).toBe(CODE + insn.length);
  });

  it('hides what PV guests must not use: VME, PSE, PGE, APIC, MTRR, MONITOR, XSAVE', () => {
    const [, , ecx, edx] = leaf(1);
    for (const bit of [1, 3, 9, 12, 13]) expect((edx >>> bit) & 1).toBe(0);
    for (const bit of [3, 26, 27]) expect((ecx >>> bit) & 1).toBe(0);
  });

  it('describes caches until a leaf of type 0', () => {
    const sizes = [0, 1, 2, 3].map((i) => {
      const [eax, ebx, ecx] = leaf(4, i);
      return (eax & 31) === 0 ? 0 : ((ebx >>> 22) + 1) * ((ebx & 0xfff) + 1) * (ecx + 1);
    });
    expect(sizes).toEqual([32 << 10, 32 << 10, 2 << 20, 0]);
  });

  it('the plain instruction shows the same as the forced one', () => {
    const plain = run([...assemble('mov eax, 1\n cpuid', { origin: CODE }).bytes]);
    expect(plain.machine.cpu.regs[Reg.EDX] >>> 0).toBe(leaf(1)[3]);
  });
});
