import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const guest = fileURLToPath(new URL('guest/', import.meta.url));

const FLAGS = [
  ...['-m32', '-march=i686', '-O2', '-Wall', '-Wextra', '-Werror', '-ffreestanding', '-nostdlib', '-static'],
  ...['-fno-pie', '-fno-stack-protector', '-fno-asynchronous-unwind-tables', '-fcf-protection=none'],
  ...['-fno-math-errno'],
];
const LINK = [
  ...['-m32', '-nostdlib', '-static', '-no-pie', '-Wl,--build-id=none', '-Wl,-z,max-page-size=0x1000'],
  ...['-Wl,--no-warn-rwx-segments', '-Wl,-T,image.ld'],
];
/** By name of the source; all others do without the floating point units. */
const UNITS: Readonly<Record<string, readonly string[]>> = {
  'matmul.c': ['-mfpmath=387'],
  'memory.c': ['-msse2'],
  'nbody.c': ['-msse2', '-mfpmath=sse'],
  'mandelbrot.c': ['-msse2', '-mfpmath=sse'],
};
const NO_FLOATS = ['-mgeneral-regs-only'];

/** Something that whoever runs the benchmark can put right; the message says how. */
export class BenchError extends Error {}

function gcc(args: readonly string[]): void {
  const { error, status, stderr } = spawnSync('gcc', args, { cwd: guest, encoding: 'utf8' });
  if (error) throw new BenchError('no gcc to build the programs with; apt-get install gcc');
  if (status !== 0) throw new BenchError(`gcc ${args.join(' ')}: ${stderr.trim()}`);
}

function compile(directory: string, sources: readonly string[], target: string): void {
  const objects = sources.map((source) => {
    const object = join(directory, `${basename(source)}.o`);
    gcc([...FLAGS, ...(UNITS[basename(source)] ?? NO_FLOATS), '-c', source, '-o', object]);
    return object;
  });
  gcc([...LINK, ...objects, '-o', join(directory, 'image')]);
  renameSync(join(directory, 'image'), target);
}

/**
 * The path of the ELF file with all programs: a multiboot kernel, a Xen PV kernel and a Linux program in one. Built when
 * the sources have changed.
 * @param cache folder to keep it in
 * Errors: BenchError
 */
export function buildImage(cache: string): string {
  const files = readdirSync(guest, { recursive: true, encoding: 'utf8' }).sort();
  const sources = files.filter((file) => /\.[cS]$/.test(file));
  const hash = createHash('sha256').update(JSON.stringify([FLAGS, LINK, UNITS, NO_FLOATS]));
  for (const file of files.filter((name) => /\.[cShl]d?$/.test(name)))
    hash.update(file).update(readFileSync(join(guest, file)));
  const target = join(cache, `programs-${hash.digest('hex').slice(0, 16)}.elf`);
  if (existsSync(target)) return target;
  mkdirSync(cache, { recursive: true });
  const directory = mkdtempSync(join(cache, 'unfinished-'));
  try {
    compile(directory, sources, target);
    return target;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
