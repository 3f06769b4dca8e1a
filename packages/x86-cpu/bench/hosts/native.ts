import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { stopwatch } from '../clock.ts';
import { OutputReader, type Sample } from '../programs.ts';

/** Runs the image as a Linux program on this machine's own CPU: the oracle for the results. */
export async function runNative(path: string, times: string): Promise<Sample[]> {
  const { stdout } = await promisify(execFile)(path, [times]);
  const reader = new OutputReader(stopwatch(), () => 0);
  for (const byte of Buffer.from(stdout)) reader.push(byte);
  return reader.complete();
}
