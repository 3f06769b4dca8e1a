/**
 * Builds the user space of userland/ and writes it, as base64, to src/userland/box.ts. Needs gcc for i386 code (no library).
 *
 *   npx tsx packages/guest-kernel/tools/build-userland.ts
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { compilerVersion, compileUserland } from './compile-userland.ts';

const TARGET = join(import.meta.dirname, '..', 'src', 'userland', 'box.ts');
const QUARTER = 3;

function main(): void {
  const base64 = Buffer.from(compileUserland()).toString('base64');
  writeFileSync(
    TARGET,
    `// Written by tools/build-userland.ts from userland/: do not edit.

/** The compiler that made the program; another version may make other bytes. */
export const BOX_COMPILER = '${compilerVersion()}';

/** The program of the user space: i386 ELF, statically linked, base64. */
export const BOX_BASE64 =
  '${base64}';
`,
  );
  process.stdout.write(`${(base64.length / 4) * QUARTER} bytes\n`);
}

main();
