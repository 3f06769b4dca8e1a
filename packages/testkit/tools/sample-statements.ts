import { instructionForms } from '../src/asm/forms.ts';

const SIZE_NAMES: Readonly<Record<string, string>> = { b: 'byte', w: 'word', d: 'dword', q: 'qword' };
const GENERAL: Readonly<Record<string, string>> = {
  b: 'al cl dl bl ah ch dh bh',
  w: 'ax cx dx bx sp bp si di',
  d: 'eax ecx edx ebx esp ebp esi edi',
};
const ADDRESSES = [
  '[ecx]',
  '[ebp]',
  '[esp]',
  '[esp+8]',
  '[ebx-128]',
  '[ebx+128]',
  '[eax+esi*4+0x12345678]',
  '[edi*8]',
  '[ebp+ebp]',
  '[edx+esp-4]',
  '[0x89abcdef]',
  'fs:[0x10]',
  'es:[edi+1]',
  'ss:[ebp+2]',
  'ds:[eax]',
  'gs:[esi*2-3]',
];
const IMMEDIATES: Readonly<Record<string, readonly string[]>> = {
  b: ['0', '1', '0x7f', '-1', '0x80', '0xff'],
  w: ['0', '5', '-1', '0x7f', '0x80', '0x1234', '0xffff', '0xff80'],
  d: ['0', '5', '-1', '0x7f', '0x80', '-128', '-129', '0x12345678', '0xffffffff', '0xffffff7f'],
};
const SEGMENTS = ['es', 'ss', 'ds', 'fs', 'gs'];

/** A deterministic choice that goes through all of a list as `turn` grows. */
const pick = <T>(list: readonly T[], turn: number): T => list[turn % list.length]!;

/** Source text for one operand code; `size` stands for v and y. */
function operand(code: string, size: 'w' | 'd', turn: number): string {
  const [role, letter = ''] = code;
  const actual = letter === 'v' || letter === 'y' || letter === 's' ? size : letter;
  const registerOf = (): string => pick(GENERAL[actual]!.split(' '), turn * 3 + role!.charCodeAt(0));
  const memory = (): string => `${actual === '' ? '' : `${SIZE_NAMES[actual]} ptr `}${pick(ADDRESSES, turn)}`;
  if (code === 'av') return size === 'w' ? 'ax' : 'eax';
  if (code === 'Mp') return `fword ptr ${pick(ADDRESSES, turn)}`;
  if (code === 'p') return `0x${(8 * turn).toString(16)}:0x1234`;
  if (code === 'Id8') return pick(['0', '5', '-1', '0x7f', '-128'], turn);
  if (role === 'E') return turn % 3 === 0 ? registerOf() : memory();
  if (role === 'M') return memory();
  if (role === 'G' || role === 'Z' || role === 'R') return registerOf();
  if (role === 'I')
    return pick(letter === 's' ? ['0', '-128', '0x7f', '1', '-1'] : IMMEDIATES[actual]!, turn);
  if (role === 'J') return '.+0x12';
  if (role === 'O') return `${SIZE_NAMES[actual]} ptr ${pick(['[0]', '[0x1234]', '[0xfffffffc]'], turn)}`;
  if (role === 'S') return pick(SEGMENTS, turn);
  if (role === 'C') return pick(['cr0', 'cr2', 'cr3', 'cr4'], turn);
  if (role === 'D') return pick(['dr0', 'dr1', 'dr2', 'dr3', 'dr6', 'dr7'], turn);
  return code;
}

const TURNS = 6;

/** Statements that go through every form of every instruction, with operands of many shapes. */
export function sampleStatements(): string[] {
  const found = new Set<string>();
  for (const [mnemonic, forms] of instructionForms()) {
    for (const form of forms) {
      const codes = form.split(' ', 1)[0]!;
      if (codes === '') found.add(mnemonic);
      else {
        const sizes = /[A-Z][vys]|av/.test(codes) ? (['w', 'd'] as const) : (['d'] as const);
        for (let turn = 0; turn < TURNS; turn++) {
          for (const size of sizes) {
            found.add(
              `${mnemonic} ${codes
                .split(',')
                .map((code, i) => operand(code, size, turn + i))
                .join(', ')}`,
            );
          }
        }
      }
    }
  }
  return [...found];
}
