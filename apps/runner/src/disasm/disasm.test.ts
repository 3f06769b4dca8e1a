import { assemble, buildElf, testKernel } from '@domu/testkit';
import { afterAll, describe, expect, test } from 'vitest';
import { domu, Sandbox } from '../../test/harness.ts';

const sandbox = new Sandbox();
afterAll(() => sandbox.remove());

const ENTRY = 0x100000;
const { bytes } = assemble(
  'push ebp\ncall two\njmp 1f\n1: ud2\ntwo: lock add dword ptr [eax+ecx*8-8], 16\nret',
  { origin: ENTRY },
);
const kernel = sandbox.file('kernel', testKernel([], [...bytes]));
const map = sandbox.file('System.map', `00100000 T one\n0010000a T two\n00101000 T end\n`);

const lines = async (...args: string[]): Promise<string[]> => {
  const { code, stdout, stderr } = await domu(['disasm', ...args]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout.trimEnd().split('\n');
};

describe('domu disasm', () => {
  test('shows addresses, bytes, text, names and where jumps lead', async () => {
    expect(await lines(kernel, '--symbols', map, '--count', '6')).toEqual([
      '',
      '00100000 <one>:',
      '00100000:  55                       push ebp',
      '00100001:  e8 04 00 00 00           call 0x10000a  <two>',
      '00100006:  eb 00                    jmp 0x100008  <one+0x8>',
      '00100008:  0f 0b                    ud2',
      '',
      '0010000a <two>:',
      '0010000a:  f0 83 44 c8 f8 10        lock add dword ptr [eax+ecx*8-8], 0x10',
      '00100010:  c3                       ret',
    ]);
  });

  test('by address and by name', async () => {
    expect(await lines(kernel, '--start', '0x100006', '--stop', '10000a')).toHaveLength(2);
    expect((await lines(kernel, '--symbols', map, '--symbol', 'two', '-n', '1'))[2]).toMatch(
      /^0010000a: .*lock add/,
    );
    expect((await domu(['disasm', kernel, '--symbol', 'two'])).stderr).toMatch(
      /^domu: --symbol: there is no "two" in .*: the file has no names; expected --symbols FILE or --start ADDRESS\n$/,
    );
    expect((await domu(['disasm', kernel, '--symbols', map, '--symbol', 'three'])).stderr).toMatch(
      /expected the name of a function\n$/,
    );
    expect((await domu(['disasm', kernel, '--start', '0', '--stop', '10'])).stderr).toMatch(
      /: no code from 0x0 to 0x10; its code is at 0x100000 to 0x102000\n$/,
    );
  });

  test('a flat binary, of 16 bits too; bytes that are no instruction', async () => {
    const flat = sandbox.file('flat', Uint8Array.of(0xb8, 1, 0, 0xeb, 0xfe, 0xf0, 0x90));
    expect(await lines(flat, '--flat', '7c00', '--bits', '16')).toEqual([
      '00007c00:  b8 01 00                 mov ax, 1',
      '00007c03:  eb fe                    jmp 0x7c03',
      '00007c05:  f0                       (bad) 0xf0',
      '00007c06:  90                       nop',
    ]);
    expect((await lines(flat, '--flat'))[0]).toBe('00000000:  b8 01 00 eb fe           mov eax, 0xfeeb0001');
    expect((await domu(['disasm', flat])).stderr).toMatch(
      /not an ELF file; .*; a file of code alone needs --flat\n$/,
    );
    expect((await domu(['disasm', flat, '--flat', 'ffffffff'])).stderr).toMatch(/reach beyond 4 GiB/);
    expect((await domu(['disasm', flat, '--flat', 'xyz'])).stderr).toMatch(
      /^domu: --flat: "xyz" is no address; expected hexadecimal/,
    );
  });

  test('a file that ends in the middle of an instruction; one without code', async () => {
    const cut = sandbox.file('cut', Uint8Array.of(0xb8, 1));
    expect((await lines(cut, '--flat')).map((line) => line.slice(36))).toEqual(['(bad) 0xb8', '(bad) 0x01']);
    const data = buildElf({ segments: [{ paddr: 0, bytes: new Uint8Array(0), memsz: 16 }] });
    expect((await domu(['disasm', sandbox.file('data', data)])).stderr).toMatch(/its code is at nowhere\n$/);
  });

  test('--json is for programs', async () => {
    const [first, second] = (await lines(kernel, '--symbols', map, '--json', '-n', '2')).map((line) =>
      JSON.parse(line),
    );
    expect(first).toEqual({ address: '0x100000', bytes: '55', text: 'push ebp', label: 'one', target: null });
    expect(second.target).toEqual({ address: '0x10000a', name: 'two' });
  });
});
