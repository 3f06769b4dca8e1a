import { execFileSync, spawnSync } from 'node:child_process';
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

/** The recorder's answers; null if it ended early, or if two runs differ: then a vector reached the recorder itself. */
function record(recorder: string, scratch: string, inputs: readonly VectorInput[]): Buffer | null {
  writeFileSync(scratch, encodeInputs(inputs));
  const [first, second] = [0, 1].map(() => spawnSync(recorder, [scratch], { maxBuffer: MAX_OUTPUT }));
  const same = first?.status === 0 && second?.status === 0 && first.stdout.equals(second.stdout);
  return same ? first.stdout : null;
}

/**
 * What the host's processor does with vectors; null for one that reaches memory outside of the address space.
 * @param scratch file for the inputs
 */
export function runNative(
  recorder: string,
  scratch: string,
  inputs: readonly VectorInput[],
): (VectorOutput | null)[] {
  const raw = record(recorder, scratch, inputs);
  if (raw) return decodeOutputs(raw, inputs.length);
  if (inputs.length === 1) return [null];
  const middle = inputs.length >> 1;
  return [inputs.slice(0, middle), inputs.slice(middle)].flatMap((half) =>
    runNative(recorder, scratch, half),
  );
}
