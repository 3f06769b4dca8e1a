/** Compiles userland/ with the host's gcc. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const SOURCES = join(import.meta.dirname, '..', 'userland');
const TARGET = '-m32 -march=i686 -mno-mmx -mno-sse -fcf-protection=none -static -no-pie -fno-pie';
const LANGUAGE = '-std=gnu11 -Os -ffreestanding -fno-builtin -nostdlib -fno-stack-protector';
const OUTPUT = '-fno-asynchronous-unwind-tables -Wl,--build-id=none -Wl,-z,noseparate-code -Wl,-z,norelro -s';
const WARNINGS = '-Wall -Wextra -Wno-sign-compare -Werror';

/** First line of `gcc --version`. @throws where there is no gcc */
export function compilerVersion(): string {
  return execFileSync('gcc', ['--version'], { encoding: 'latin1' }).split('\n', 1)[0]!;
}

/** @returns the program's bytes, which depend on the sources and the compiler only */
export function compileUserland(): Uint8Array {
  const work = mkdtempSync(join(tmpdir(), 'userland-'));
  const program = join(work, 'box');
  const files = ['.', 'sh', 'tools'].flatMap((folder) =>
    readdirSync(join(SOURCES, folder))
      .filter((name) => name.endsWith('.c'))
      .sort()
      .map((name) => `${folder}/${name}`),
  );
  const flags = [TARGET, LANGUAGE, OUTPUT, WARNINGS].join(' ').split(' ');
  execFileSync('gcc', [...flags, '-o', program, ...files], { cwd: SOURCES, stdio: 'inherit' });
  const bytes = readFileSync(program);
  rmSync(work, { recursive: true });
  return bytes;
}
