import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compilerVersion, compileUserland } from '../../tools/compile-userland.ts';
import { readCpio } from '../fs/cpio.ts';
import { BOX_COMPILER } from './box.ts';
import { boxProgram, TOOLS, userlandArchive } from './index.ts';

const here = (() => {
  try {
    return compilerVersion();
  } catch {
    return 'no gcc';
  }
})();

it('the archive holds init, the program and a name for each tool', () => {
  const { members, error } = readCpio(userlandArchive());
  expect(error).toBeUndefined();
  const names = members.map((m) => m.name);
  expect(names).toEqual(expect.arrayContaining(['init', 'bin/box', ...TOOLS.map((t) => `bin/${t}`)]));
});

describe.runIf(here === BOX_COMPILER)(`with ${BOX_COMPILER}`, () => {
  it('the sources give the program that is in the repository: else run tools/build-userland.ts', () => {
    expect(Buffer.from(compileUserland()).equals(boxProgram())).toBe(true);
  });
});

describe.runIf(process.platform === 'linux' && process.arch === 'x64')('run by Linux itself', () => {
  let bin = '';
  beforeAll(() => {
    bin = mkdtempSync(join(tmpdir(), 'box-'));
    writeFileSync(join(bin, 'box'), boxProgram(), { mode: 0o755 });
    for (const tool of TOOLS) symlinkSync('box', join(bin, tool));
  });
  afterAll(() => rmSync(bin, { recursive: true }));

  const run = (text: string): string => {
    const env = { PATH: bin, HOME: '/root' };
    const { stdout, stderr } = spawnSync(join(bin, 'sh'), ['-c', text, 'name', 'one', 'two'], {
      env,
      encoding: 'latin1',
      cwd: bin,
    });
    return stdout + stderr;
  };

  it.each([
    ['echo "a  b" c\\ d \'$x\'', 'a  b c d $x\n'],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the shell's.
    ['x=5; y=$x$x; echo $y ${z:-none} "$(echo a; echo b)" `echo c`', '55 none a\nb c\n'],
    ['echo $# $1 $2 "$@"', '2 one two one two\n'],
    ['for i in 1 "2 3"; do echo "<$i>"; done', '<1>\n<2 3>\n'],
    ['i=; while [ "$i" != xx ]; do i=x$i; done; echo $i', 'xx\n'],
    ['if false; then echo 1; elif true; then echo 2; else echo 3; fi', '2\n'],
    ['false || echo or; true && echo and; ! true; echo $?', 'or\nand\n1\n'],
    ['(cd /; pwd); { echo g; echo f; } | sort', '/\nf\ng\n'],
    [
      'echo one > f; echo two >> f; cat < f | tail -n 1; wc -l f; rm f; ls f',
      /^two\n2 f\nls: f: No such file/,
    ],
    ['echo s[h]* ech? "s*"', 'sh echo s*\n'],
    ['nosuch; echo $?', '127\nsh: nosuch: not found (help lists what there is)\n'],
    ['echo b | grep -n b; echo ABC | grep -i "^a*c$"', '1:b\nABC\n'],
    ['mkdir -p d/e; echo x > d/e/f; cp -r d g; find g; mv g/e/f h; cat h; rm -r d g h', 'g\ng/e\ng/e/f\nx\n'],
    ['echo abc | hexdump', /^00000000 {2}61 62 63 0a .*\|abc\.\|\n$/],
    ['if', 'sh: syntax error\n'],
  ])('%s', (text, expected) => {
    if (typeof expected === 'string') expect(run(text)).toBe(expected);
    else expect(run(text)).toMatch(expected);
  });
});
