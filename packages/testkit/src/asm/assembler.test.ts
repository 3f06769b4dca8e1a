import { expect, test } from 'vitest';
import { assemble } from './assembler.ts';
import { AssemblyError } from './source-error.ts';

const hex = (source: string, origin = 0): string =>
  Buffer.from(assemble(source, { origin }).bytes).toString('hex');

test('labels are addresses from the origin on', () => {
  const { bytes, symbols, address } = assemble('nop\nhere: .long here', { origin: 0xf000_0000 });
  expect([...bytes]).toEqual([0x90, 0x01, 0, 0, 0xf0]);
  expect(address('here')).toBe(0xf000_0001);
  expect(symbols.get('here')).toBe(0xf000_0001);
  expect(() => address('there')).toThrow('there');
});

test('constants come from the caller and from the source', () => {
  const { bytes } = assemble('N = PAGE >> 8\nadd eax, N', { symbols: { PAGE: 4096 } });
  expect([...bytes]).toEqual([0x83, 0xc0, 0x10]);
});

test('a numeric label means the nearest one before or after', () => {
  expect(hex('1: jmp 1f\n1: jmp 1b\n1:')).toBe('eb00ebfe');
});

test('a jump takes its long form when the target is out of reach of the short one', () => {
  expect(hex('jmp x\n.skip 127\nx:').slice(0, 4)).toBe('eb7f');
  expect(hex('jmp x\n.skip 128\nx:').slice(0, 10)).toBe('e980000000');
});

test('addresses wrap around the top of the linear address space', () => {
  expect(hex('call 0x10', 0xffff_fff0)).toBe('e81b000000');
});

test.each([
  ['nop\n bogus eax', 2, 'no such instruction: bogus'],
  ['mov [eax], 1', 1, 'the size of the memory operand is not known'],
  ['movzx eax, [ebx]', 1, 'the size of the memory operand is not known'],
  ['mov eax, bl', 1, 'no form of this instruction takes these operands'],
  ['mov eax, x\nx:', 1, 'write "offset x" or "[x]"'],
  ['jmp nowhere', 1, 'no such label: nowhere'],
  ['mov al, 256', 1, '256 does not fit in 8 bits'],
  ['loop x\n.skip 200\nx:', 1, '200 does not fit in 8 bits'],
  ['mov eax, [bx]', 1, 'addresses use 32-bit registers'],
  ['mov eax, [ebx+esi+edi]', 1, 'an address has at most two registers'],
  ['mov eax, [esp*2]', 1, 'not an index'],
  ['x: nop\nx: nop', 2, 'defined twice: x'],
  ['inc eax ecx', 1, 'unexpected ecx'],
  ['.quad 1', 1, 'no such directive: .quad'],
  ['mov eax, ?', 1, 'not a statement'],
  ['lock', 1, 'a prefix without instruction'],
])('%j is refused with its line and the reason', (source, line, reason) => {
  expect(() => assemble(source)).toThrow(AssemblyError);
  expect(() => assemble(source)).toThrow(`line ${line}: ${reason}`);
});
