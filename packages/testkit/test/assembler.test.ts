import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { assemble } from '../src/index.ts';

interface Recording {
  origin: number;
  programs: Record<string, string>;
  statements: Record<string, string>;
}

const here = (name: string): URL => new URL(name, import.meta.url);
const recording = JSON.parse(readFileSync(here('as-bytes.json'), 'utf8')) as Recording;
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

test('every statement gives the bytes that the GNU assembler gives', () => {
  const statements = Object.keys(recording.statements);
  const source = statements.map((statement, i) => `at${i}: ${statement}\n`).join('');
  const { bytes, address } = assemble(`${source}at${statements.length}:`);
  const parts = statements.map((_, i) => bytes.subarray(address(`at${i}`), address(`at${i + 1}`)));
  expect(Object.fromEntries(statements.map((statement, i) => [statement, hex(parts[i]!)]))).toEqual(
    recording.statements,
  );
});

test.each(Object.entries(recording.programs))('the program %s gives the recorded bytes', (name, bytes) => {
  const source = readFileSync(here(`programs/${name}`), 'utf8');
  expect(hex(assemble(source, { origin: recording.origin }).bytes)).toBe(bytes);
});
