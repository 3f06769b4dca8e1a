import { fileURLToPath } from 'node:url';
import { V86 } from 'v86';
import type { Stopwatch } from '../clock.ts';
import { OutputReader, type Sample } from '../programs.ts';

const wasmPath = fileURLToPath(new URL('v86.wasm', import.meta.resolve('v86')));

/** Runs the image as a multiboot kernel on v86; without firmware v86 starts such a kernel directly. */
export async function runV86(
  image: Uint8Array,
  times: string,
  watch: Stopwatch,
  jit: boolean,
): Promise<Sample[]> {
  const emulator = new V86({
    wasm_path: wasmPath,
    memory_size: 16 << 20,
    vga_memory_size: 1 << 20,
    disable_jit: !jit,
    multiboot: { buffer: Uint8Array.from(image).buffer },
    cmdline: times,
    autostart: true,
  });
  let wraps = 0;
  let last = 0;
  const reader = new OutputReader(watch, () => {
    const count = emulator.get_instruction_counter();
    if (count < last) wraps++;
    last = count;
    return wraps * 2 ** 32 + count;
  });
  await new Promise<void>((resolve) => {
    emulator.add_listener('serial0-output-byte', (byte) => {
      reader.push(byte);
      if (reader.finished) resolve();
    });
  });
  await emulator.destroy();
  return reader.complete();
}
