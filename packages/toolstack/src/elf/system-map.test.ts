import { testKernel } from '@domu/testkit';
import { describe, expect, test } from 'vitest';
import { loadSymbols } from './system-map.ts';

const map = (text: string): Uint8Array => Uint8Array.from(text, (c) => c.charCodeAt(0));

describe('loadSymbols', () => {
  test('takes the code of a System.map, in whatever order it is', () => {
    const symbols = loadSymbols(
      map(
        'c1000100 T second\nc1000000 T _text\nc1000000 t same_place\nc1000200 D data\n00000000 A absolute\n',
      ),
    );
    if (!symbols.ok) throw new Error(symbols.error);
    expect(symbols.value.count).toBe(2);
    expect(symbols.value.lookup(0xc100_00ff)).toEqual({ name: '_text', offset: 0xff });
    expect(symbols.value.lookup(0xc100_0100)).toEqual({ name: 'second', offset: 0 });
    expect(symbols.value.lookup(0xc100_0200)).toBe(null);
  });

  test('takes an ELF file', () => {
    expect(loadSymbols(testKernel()).ok).toBe(true);
  });

  test('says when a file is neither', () => {
    for (const bytes of [map(''), map('hello\nworld'), new Uint8Array(5000)]) {
      const symbols = loadSymbols(bytes);
      expect(symbols.ok ? '' : symbols.error).toMatch(/expected a System.map or an ELF file with symbols$/);
    }
    expect(loadSymbols(Uint8Array.of(0x7f, 0x45)).ok).toBe(false);
  });
});
