import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

// No MMX, SSE or x87 may be needed, and no call may be made up: loops that look like memset stay loops. Without REP
// string instructions every emulator counts the same instructions.
const FLAGS = [
  ...['-m32', '-O2', '-march=i686', '-mgeneral-regs-only', '-Wall', '-Wextra', '-Werror'],
  ...['-ffreestanding', '-nostdlib', '-static', '-fno-pie', '-no-pie', '-fno-stack-protector'],
  ...['-fno-asynchronous-unwind-tables', '-fno-tree-loop-distribute-patterns', '-mstringop-strategy=loop'],
  ...['-Wl,--build-id=none', '-Wl,-z,max-page-size=0x1000', '-Wl,--no-warn-rwx-segments'],
];

/**
 * Compiles the guest programs with the host's gcc and hands the path of the ELF file to `use`; the file is gone afterwards.
 */
export async function withImage<T>(use: (path: string, bytes: Uint8Array) => Promise<T>): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), 'domu-bench-'));
  const source = (name: string): string => fileURLToPath(new URL(`guest/${name}`, import.meta.url));
  const path = join(directory, 'programs');
  try {
    execFileSync('gcc', [...FLAGS, `-Wl,-T,${source('image.ld')}`, source('programs.c'), '-o', path], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    return await use(path, readFileSync(path));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

export interface LoadedImage {
  entry: number;
  /** First address after the image, its zeroed part included. */
  end: number;
}

/** Copies the segments of a 32-bit ELF file to their addresses in `ram`. */
export function loadImage(elf: Uint8Array, ram: Uint8Array): LoadedImage {
  const view = new DataView(elf.buffer, elf.byteOffset, elf.byteLength);
  const u32 = (offset: number): number => view.getUint32(offset, true);
  const u16 = (offset: number): number => view.getUint16(offset, true);
  const PT_LOAD = 1;
  const [phoff, phentsize, phnum] = [u32(28), u16(42), u16(44)];
  let end = 0;
  for (let header = phoff; header < phoff + phnum * phentsize; header += phentsize) {
    if (u32(header) !== PT_LOAD) continue;
    const [offset, address, fileBytes, memoryBytes] = [4, 8, 16, 20].map((field) => u32(header + field)) as [
      number,
      number,
      number,
      number,
    ];
    ram.fill(0, address, address + memoryBytes);
    ram.set(elf.subarray(offset, offset + fileBytes), address);
    end = Math.max(end, address + memoryBytes);
  }
  return { entry: u32(24), end };
}
