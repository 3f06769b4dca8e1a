import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Reg, Seg } from '../names.ts';
import { decode, isDecodeError } from './index.ts';
import type { Insn } from './insn.ts';

const bytes = (text: string): Uint8Array => Uint8Array.from(text.split(' '), (b) => Number.parseInt(b, 16));

function insn(text: string, code16 = false): Insn {
  const result = decode(bytes(text), { code16 });
  if (isDecodeError(result)) throw new Error(`${text}: ${result.error}`);
  return result;
}

function failure(text: string): string {
  const result = decode(bytes(text));
  return isDecodeError(result) ? result.error : result.row.mnemonic;
}

describe('decode', () => {
  it('takes base, scaled index and displacement apart, with SS for a stack base', () => {
    expect(insn('8b 44 8d f8').memory).toEqual({
      base: Reg.EBP,
      index: Reg.ECX,
      scale: 4,
      disp: -8,
      segment: Seg.SS,
    });
  });

  it('reads SIB without base and index as an absolute displacement in DS', () => {
    expect(insn('8b 04 25 78 56 34 12').memory).toEqual({
      base: -1,
      index: -1,
      scale: 1,
      disp: 0x12345678,
      segment: Seg.DS,
    });
  });

  it('knows the register pairs of 16-bit addressing', () => {
    const { memory, addressSize } = insn('67 8b 42 80');
    expect(memory).toEqual({ base: Reg.EBP, index: Reg.ESI, scale: 1, disp: -128, segment: Seg.SS });
    expect(addressSize).toBe(16);
    expect(insn('8b 06 34 12', true).memory?.disp).toBe(0x1234);
  });

  it('lets the last override and the last repeat prefix count', () => {
    const { segmentOverride, rep, memory } = insn('2e f2 64 f3 a0 78 56 34 12');
    expect({ segmentOverride, rep, segment: memory?.segment }).toEqual({
      segmentOverride: Seg.FS,
      rep: 0xf3,
      segment: Seg.FS,
    });
  });

  it('switches sizes by prefix, from either default', () => {
    expect(insn('66 b8 34 12').operandSize).toBe(16);
    expect(insn('b8 34 12', true).operandSize).toBe(16);
    expect(insn('66 67 b8 78 56 34 12', true)).toMatchObject({ operandSize: 32, addressSize: 32, length: 7 });
  });

  it('reads immediates in encoding order', () => {
    expect(insn('c8 34 12 ff').immediates).toEqual([0x1234, 0xff]);
    expect(insn('9a 78 56 34 12 cd ab').immediates).toEqual([0x12345678, 0xabcd]);
    expect(insn('66 9a 34 f2 cd ab').immediates).toEqual([0xf234, 0xabcd]);
    expect(insn('83 c0 80').immediates).toEqual([-128]);
  });

  it('selects rows by ModRM.reg, by register or memory form and by mandatory prefix', () => {
    expect(insn('f7 e0').row.mnemonic).toBe('MUL');
    expect(insn('0f ae 38').row.mnemonic).toBe('CLFLUSH');
    expect(insn('0f ae f8').row.mnemonic).toBe('SFENCE');
    expect(insn('90').row.mnemonic).toBe('NOP');
    expect(insn('f3 90').row.mnemonic).toBe('PAUSE');
  });

  it('takes r/m of a control register move for a register whatever mod says', () => {
    expect(insn('0f 20 05')).toMatchObject({ length: 3, memory: null });
  });

  it('says why bytes are no instruction', () => {
    expect(failure('0f')).toBe('truncated');
    expect(failure('81 c0 00')).toBe('truncated');
    expect(failure('0f a6')).toBe('undefined');
    expect(failure('ff f8')).toBe('undefined');
    expect(failure('f0 01 c0')).toBe('lock');
    expect(failure('f0 8b 00')).toBe('lock');
    expect(failure('f0 01 00')).toBe('ADD');
    expect(failure(`${'66 '.repeat(14)}90`)).toBe('NOP');
    expect(failure(`${'66 '.repeat(15)}90`)).toBe('too-long');
    expect(failure(`${'2e '.repeat(10)}81 05 00 00 00 00 00 00 00 00`)).toBe('too-long');
  });

  it('never throws, and needs every byte of what it accepts', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 20 }), fc.boolean(), (input, code16) => {
        const result = decode(input, { code16 });
        if (isDecodeError(result)) return;
        expect(result.length).toBeLessThanOrEqual(15);
        const shorter = decode(input.subarray(0, result.length - 1), { code16 });
        expect(shorter).toEqual({ error: 'truncated' });
      }),
    );
  });
});
