import { buildElf } from '@domu/testkit';
import { describe, expect, test } from 'vitest';
import { parseElf } from './elf.ts';
import { readSymbols, type SymbolTable } from './symbols.ts';

const FUNC = 2;
const OBJECT = 1;

function tableOf(
  symbols: { name: string; at: number; size: number; type?: number; section?: number }[],
): SymbolTable {
  let names = '\0';
  const bytes = new Uint8Array((symbols.length + 1) * 16);
  const view = new DataView(bytes.buffer);
  symbols.forEach((symbol, i) => {
    const at = (i + 1) * 16;
    view.setUint32(at, names.length, true);
    view.setUint32(at + 4, symbol.at, true);
    view.setUint32(at + 8, symbol.size, true);
    view.setUint8(at + 12, 16 | (symbol.type ?? FUNC));
    view.setUint16(at + 14, symbol.section ?? 1, true);
    names += `${symbol.name}\0`;
  });
  const file = buildElf({
    segments: [{ paddr: 0x1000, bytes: new Uint8Array(0x100) }],
    sections: [
      { name: '.text', type: 1, bytes: new Uint8Array(0x100), addr: 0x1000, flags: 6 },
      { name: '.symtab', type: 2, bytes, link: 3, entsize: 16 },
      { name: '.strtab', type: 3, bytes: Uint8Array.from(names, (c) => c.charCodeAt(0)) },
    ],
  });
  const elf = parseElf(file);
  if (!elf.ok) throw new Error(elf.error);
  return readSymbols(elf.value);
}

describe('SymbolTable', () => {
  const table = tableOf([
    { name: 'second', at: 0x1040, size: 0x10 },
    { name: 'first', at: 0x1000, size: 0 },
    { name: 'data', at: 0x1010, size: 8, type: OBJECT },
    { name: 'elsewhere', at: 0x1020, size: 8, section: 0 },
  ]);

  test('finds the symbol and the offset, whatever the order in the file', () => {
    expect(table.lookup(0x1044)).toEqual({ name: 'second', offset: 4 });
  });

  test('a symbol without a size reaches to the next one', () => {
    expect(table.lookup(0x103f)).toEqual({ name: 'first', offset: 0x3f });
  });

  test('an address behind a sized symbol, before the code or past it has no name', () => {
    expect(table.lookup(0x1050)).toBeNull();
    expect(table.lookup(0xfff)).toBeNull();
    expect(table.lookup(0xffffffff)).toBeNull();
  });

  test('data, undefined and absolute symbols are left out', () => {
    expect(table.count).toBe(2);
  });
});
