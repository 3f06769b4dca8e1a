import { expect, it } from 'vitest';
import { decode, isDecodeError } from '../decode/index.ts';
import { disassemble } from './index.ts';

const EIP = 0x1000;

function text(code: string, code16 = false): string {
  const insn = decode(
    Uint8Array.from(code.split(' '), (b) => Number.parseInt(b, 16)),
    { code16 },
  );
  return isDecodeError(insn) ? insn.error : disassemble(insn, EIP);
}

it.each([
  ['f0 83 44 c8 f8 10', 'lock add dword ptr [eax+ecx*8-8], 0x10'],
  ['66 8b 1d 00 90 00 00', 'mov bx, word ptr [0x9000]'],
  ['65 a1 14 00 00 00', 'mov eax, dword ptr gs:[0x14]'],
  ['3e 8b 45 00', 'mov eax, dword ptr ds:[ebp]'],
  ['36 8b 45 00', 'mov eax, dword ptr [ebp]'],
  ['67 8b 42 80', 'mov eax, dword ptr [bp+si-0x80]'],
  ['64 8d 04 24', 'lea eax, [esp]'],
  ['eb fe', 'jmp 0x1000'],
  ['0f 84 00 10 00 00', 'je 0x2006'],
  ['66 e8 00 f0', 'call 4'],
  ['ea 78 56 34 12 08 00', 'jmp far 8:0x12345678'],
  ['ff 1d 00 90 00 00', 'call far [0x9000]'],
  ['f3 a5', 'rep movsd'],
  ['f2 65 66 a7', 'repne gs cmpsw'],
  ['65 d7', 'gs xlat'],
  ['d1 e0', 'shl eax, 1'],
  ['6b c3 ff', 'imul eax, ebx, 0xffffffff'],
  ['0f b6 c4', 'movzx eax, ah'],
  ['0f 22 d8', 'mov cr3, eax'],
  ['8e d8', 'mov ds, ax'],
  ['66 60', 'pusha'],
  ['e3 00', 'jecxz 0x1002'],
  ['c8 10 00 01', 'enter 0x10, 1'],
  ['cd 80', 'int 0x80'],
])('%s is %s', (code, expected) => {
  expect(text(code)).toBe(expected);
});

it('uses 16-bit defaults in a 16-bit segment', () => {
  expect(text('8b 07', true)).toBe('mov ax, word ptr [bx]');
  expect(text('66 67 8b 07', true)).toBe('mov eax, dword ptr [edi]');
});
