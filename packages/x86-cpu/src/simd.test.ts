import { beforeEach, describe, expect, it, vi } from 'vitest';
import { SimdMachine } from '../test/simd/machine.ts';
import { At, type SimdInput, STATE_BYTES } from '../test/simd/state.ts';
import { Vector } from './names.ts';

const CR0_EM = 0x4;
const CR0_TS = 0x8;
const CR0_DEFAULT = 0x80050033;
const OSFXSR = 0x200;
const OSXMMEXCPT = 0x400;
const EXAMPLES = { paddb_mm: [0x0f, 0xfc, 0xc1], addps: [0x0f, 0x58, 0xc1] };
const MOVAPS_LOAD = [0x0f, 0x28, 0x05];
const DIVSD = [0xf2, 0x0f, 0x5e, 0xc1];
const ALL_UNMASKED = 0;
const ALL_MASKED = 0x1f80;
const UNMAPPED = 0x1000;

const disp32 = (v: number): number[] => [v & 0xff, (v >>> 8) & 0xff, (v >>> 16) & 0xff, v >>> 24];

function vector(code: readonly number[], mxcsr = ALL_MASKED): SimdInput {
  const state = new Uint8Array(STATE_BYTES);
  const view = new DataView(state.buffer);
  view.setUint32(At.eflags, 0x202, true);
  view.setUint32(At.mxcsr, mxcsr, true);
  view.setFloat64(At.xmm, 1, true);
  return { state, address: 0x9100, code };
}

describe.each(['interpreter', 'jit'] as const)('access to SIMD registers: %s', (engine) => {
  let machine: SimdMachine;
  beforeEach(() => {
    machine = new SimdMachine(engine);
  });
  /** Twice, so that the JIT has compiled the instruction while it worked. */
  const vectorOf = (input: SimdInput, prepare: () => void): number => {
    machine.run(input);
    machine.run(input);
    prepare();
    return machine.run(input).vector;
  };

  it('raises #NM when CR0.TS is set, for MMX and for SSE', () => {
    for (const code of Object.values(EXAMPLES)) {
      machine.cpu.cr0 = CR0_DEFAULT;
      const raised = vectorOf(vector(code), () => {
        machine.cpu.cr0 = CR0_DEFAULT | CR0_TS;
      });
      expect(raised).toBe(Vector.NM);
    }
  });

  it('raises #UD under CR0.EM, and without CR4.OSFXSR for SSE only', () => {
    const { paddb_mm, addps } = EXAMPLES;
    for (const code of [paddb_mm, addps]) {
      machine.cpu.cr0 = CR0_DEFAULT;
      const raised = vectorOf(vector(code), () => {
        machine.cpu.cr0 = CR0_DEFAULT | CR0_EM | CR0_TS;
      });
      expect(raised).toBe(Vector.UD);
    }
    machine.cpu.cr0 = CR0_DEFAULT;
    const withoutSse = (): void => {
      machine.cpu.cr4 = OSXMMEXCPT;
    };
    expect(vectorOf(vector(addps), withoutSse)).toBe(Vector.UD);
    expect(vectorOf(vector(paddb_mm), withoutSse)).toBe(-1);
  });

  it('looks at the control registers before it looks at memory', () => {
    const raised = vectorOf(vector([...MOVAPS_LOAD, ...disp32(UNMAPPED)]), () => {
      machine.cpu.cr0 = CR0_DEFAULT | CR0_TS;
    });
    expect(raised).toBe(Vector.NM);
  });

  it('raises #GP for an operand that is not aligned, even in a page that is not mapped', () => {
    const nothing = (): void => {};
    expect(vectorOf(vector([...MOVAPS_LOAD, ...disp32(UNMAPPED + 8)]), nothing)).toBe(Vector.GP);
    expect(vectorOf(vector([...MOVAPS_LOAD, ...disp32(UNMAPPED)]), nothing)).toBe(Vector.PF);
  });

  it('raises #XM for an unmasked exception, #UD without CR4.OSXMMEXCPT, and keeps the registers', () => {
    const input = vector(DIVSD, ALL_UNMASKED);
    const before = [...input.state.subarray(At.xmm, At.xmm + 16)];
    expect(vectorOf(input, () => {})).toBe(Vector.XM);
    const out = machine.run(input);
    expect([...out.state.subarray(At.xmm, At.xmm + 16)]).toEqual(before);
    expect(out.state[At.mxcsr]).toBe(4);
    const raised = vectorOf(input, () => {
      machine.cpu.cr4 = OSFXSR;
    });
    expect(raised).toBe(Vector.UD);
  });
});

describe('generation of SIMD rows', () => {
  it('makes those of the code ahead together', () => {
    const machine = new SimdMachine('interpreter');
    const module = vi.spyOn(WebAssembly, 'Module');
    try {
      const { vector: exit } = machine.run(vector([...EXAMPLES.addps, ...DIVSD, ...EXAMPLES.paddb_mm]), 4);
      expect([exit, machine.run(vector(DIVSD)).vector, module.mock.calls.length]).toEqual([-1, -1, 1]);
    } finally {
      module.mockRestore();
    }
  });
});
