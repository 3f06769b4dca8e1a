import { execFileSync, spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { decodeOutput, encodeInput, OUTPUT_BYTES, type SimdInput, type SimdOutput } from './state.ts';

const FLAGS = '-m32 -O2 -static -fno-pie -no-pie -fno-stack-protector -mgeneral-regs-only'.split(' ');

/** Compiles recorder.c. @returns the program */
export function buildRecorder(into: string): string {
  const source = join(dirname(fileURLToPath(import.meta.url)), 'recorder.c');
  const recorder = join(into, 'recorder');
  execFileSync('gcc', [...FLAGS, '-o', recorder, source], { stdio: 'inherit' });
  return recorder;
}

/** What the host's processor does with vectors. */
export function runNative(recorder: string, inputs: readonly SimdInput[]): SimdOutput[] {
  const { stdout, status, signal } = spawnSync(recorder, {
    input: Buffer.concat(inputs.map(encodeInput)),
    maxBuffer: 2 ** 30,
  });
  if (stdout.length !== inputs.length * OUTPUT_BYTES) {
    const done = Math.floor(stdout.length / OUTPUT_BYTES);
    const code = Buffer.from(inputs[done]!.code).toString('hex');
    throw new Error(`recorder ended: ${status ?? signal}, after ${done} vectors, the next one near ${code}`);
  }
  return inputs.map((_, i) => decodeOutput(stdout.subarray(i * OUTPUT_BYTES, (i + 1) * OUTPUT_BYTES)));
}
