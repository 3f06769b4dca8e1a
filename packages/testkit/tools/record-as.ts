// Records what the GNU assembler makes of sample statements and programs: test/as-bytes.json. Needs `as` and `ld`.
// Run: npx tsx --conditions=@domu/source packages/testkit/tools/record-as.ts

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { sampleStatements } from './sample-statements.ts';

const ORIGIN = 0x100000;
const test = fileURLToPath(new URL('../test', import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'domu-as-'));
const path = (name: string): string => join(directory, name);

function assembleByGnu(source: string): string {
  writeFileSync(path('a.s'), `.intel_syntax noprefix\n${source}`);
  return execFileSync('as', ['--32', '-aln', '--listing-lhs-width=4', path('a.s'), '-o', path('a.o')], {
    encoding: 'utf8',
  });
}

/** Bytes of each statement, from the listing: `line address bytes… source`. */
function recordStatements(statements: readonly string[]): Record<string, string> {
  const bytes: Record<string, string> = {};
  for (const line of assembleByGnu(`${statements.join('\n')}\n`).split('\n')) {
    const match = /^ *(\d+) [0-9a-f?]{4} ((?:[0-9A-F]+ )+)/.exec(line);
    if (match) bytes[statements[Number(match[1]) - 2]!] = match[2]!.replaceAll(' ', '').toLowerCase();
  }
  return bytes;
}

function recordProgram(source: string): string {
  assembleByGnu(source);
  const flags = ['-m', 'elf_i386', '--oformat', 'binary', '-e', '0', '-Ttext', `0x${ORIGIN.toString(16)}`];
  execFileSync('ld', [...flags, path('a.o'), '-o', path('a.bin')]);
  return readFileSync(path('a.bin'), 'hex');
}

try {
  const version = execFileSync('as', ['--version'], { encoding: 'utf8' }).split('\n')[0];
  const statements = recordStatements(sampleStatements());
  const programs = Object.fromEntries(
    readdirSync(join(test, 'programs')).map((name) => [
      name,
      recordProgram(readFileSync(join(test, 'programs', name), 'utf8')),
    ]),
  );
  const recording = { assembler: version, origin: ORIGIN, programs, statements };
  writeFileSync(join(test, 'as-bytes.json'), `${JSON.stringify(recording, null, 1)}\n`);
} finally {
  rmSync(directory, { recursive: true, force: true });
}
