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

/** The recorder's answers; null if it ended early, or if several runs differ: then a vector reached the recorder itself. */
function record(
  recorder: string,
  scratch: string,
  inputs: readonly VectorInput[],
  times: number,
): Buffer | null {
  writeFileSync(scratch, encodeInputs(inputs));
  const runs = Array.from({ length: times }, () => spawnSync(recorder, [scratch], { maxBuffer: MAX_OUTPUT }));
  const [first] = runs;
  const same = runs.every((run) => run.status === 0 && run.stdout.equals(first!.stdout));
  return first && same ? first.stdout : null;
}

/**
 * What the host's processor does with vectors; null for one that reaches memory outside of the address space.
 * @param scratch file for the inputs
 * @param times how often it is asked: an answer that depends on the recorder's own memory differs some time
 */
export function runNative(
  recorder: string,
  scratch: string,
  inputs: readonly VectorInput[],
  times = 2,
): (VectorOutput | null)[] {
  const raw = record(recorder, scratch, inputs, times);
  if (raw) return decodeOutputs(raw, inputs.length);
  if (inputs.length === 1) return [null];
  const middle = inputs.length >> 1;
  return [inputs.slice(0, middle), inputs.slice(middle)].flatMap((half) =>
    runNative(recorder, scratch, half, times),
  );
}
