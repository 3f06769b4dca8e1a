import { buildElf, testKernel } from '@domu/testkit';
import { describe, expect, test } from 'vitest';
import { parseElf } from './elf.ts';

function reason(bytes: Uint8Array): string {
  const result = parseElf(bytes);
  if (result.ok) throw new Error('expected a failure');
  return result.error;
}

function patched(offset: number, ...values: number[]): Uint8Array {
  const bytes = testKernel();
  bytes.set(values, offset);
  return bytes;
}

describe('parseElf', () => {
  test('reads entry point, program headers and section names', () => {
    const file = buildElf({
      entry: 0x1234,
      segments: [{ paddr: 0x1000, bytes: Uint8Array.of(1, 2, 3), memsz: 16 }],
      sections: [{ name: '.text', type: 1, bytes: Uint8Array.of(9), addr: 0x1000, flags: 6 }],
    });
    const result = parseElf(file);
    expect(result.ok && result.value.entry).toBe(0x1234);
    expect(result.ok && result.value.programHeaders[0]).toMatchObject({
      type: 1,
      paddr: 0x1000,
      filesz: 3,
      memsz: 16,
    });
    expect(result.ok && result.value.sectionHeaders.map((header) => header.name)).toEqual([
      '',
      '.text',
      '.shstrtab',
    ]);
  });

  test('names the usual wrong files', () => {
    expect(reason(new Uint8Array(0))).toMatch(/^an empty file; expected a 32-bit i386 ELF/);
    expect(reason(Uint8Array.from('#!/bin/sh\n', (c) => c.charCodeAt(0)))).toMatch(
      /^not an ELF file; expected/,
    );
  });

  test('refuses other classes, byte orders and machines', () => {
    expect(reason(patched(4, 2))).toMatch(/^a 64-bit ELF file; expected a 32-bit/);
    expect(reason(patched(5, 2))).toMatch(/big-endian/);
    expect(reason(patched(18, 40))).toMatch(/machine type 40, not for i386/);
    expect(reason(patched(16, 1))).toMatch(/relocatable object/);
    expect(reason(patched(44, 0, 0))).toMatch(/without program headers/);
  });

  test('a file cut anywhere is called truncated, with the place', () => {
    const whole = buildElf({
      segments: [{ paddr: 0, bytes: new Uint8Array(64) }],
      sections: [{ name: '.text', type: 1, bytes: new Uint8Array(8) }],
    });
    for (const length of [4, 51, 60, 100, whole.length - 1]) {
      expect(reason(whole.subarray(0, length))).toMatch(/^truncated: /);
    }
    expect(reason(whole.subarray(0, 100))).toBe(
      'truncated: the file ends at 0x64; expected segment 0 at 0x54 to 0x94',
    );
  });

  test('a segment may not have more bytes in the file than in memory', () => {
    expect(reason(buildElf({ segments: [{ paddr: 0, bytes: new Uint8Array(8), memsz: 4 }] }))).toMatch(
      /0x8 bytes in the file/,
    );
  });
});
