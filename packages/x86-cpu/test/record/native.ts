import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { VectorInput, VectorOutput } from './vector.ts';
import { decodeOutputs, encodeInputs } from './wire.ts';

const FLAGS = ['-m32', '-O2', '-Wall', '-static', '-fno-pie', '-no-pie', '-fno-stack-protector'];
const MAX_OUTPUT = 1 << 30;

/** Compiles recorder.c into a folder. @returns the program */
export function buildRecorder(into: string): string {
  const recorder = join(into, 'recorder');
  const source = join(import.meta.dirname, 'recorder.c');
  execFileSync('gcc', [...FLAGS, '-o', recorder, source], { stdio: 'inherit' });
  return recorder;
}

/**
 * What the host's processor does with vectors.
 * @param scratch file for the inputs
 * @throws if two runs differ: an instruction reached memory outside of the address space
 */
export function runNative(recorder: string, scratch: string, inputs: readonly VectorInput[]): VectorOutput[] {
  writeFileSync(scratch, encodeInputs(inputs));
  const raw = execFileSync(recorder, [scratch], { maxBuffer: MAX_OUTPUT });
  if (!raw.equals(execFileSync(recorder, [scratch], { maxBuffer: MAX_OUTPUT }))) {
    throw new Error('two recordings differ: an instruction reached memory outside of the address space');
  }
  return decodeOutputs(raw, inputs.length);
}
