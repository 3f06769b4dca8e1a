import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import type { Host } from './hosts.ts';

/** One program run once in a fresh process of a host. */
export interface Sample {
  /** What the program computed, in hexadecimal. */
  readonly result: string;
  /** Milliseconds from the program's first instruction to its last, by the clock asked for. */
  readonly ms: number;
  /** Milliseconds of wall time from the start of the process to the program's first instruction. */
  readonly bootMs: number;
}

/**
 * `processor`: what all threads of the process have spent on a processor; Linux only, and nothing for a process that
 * ends at once.
 */
export type ClockName = 'wall' | 'processor';

/** A host that does not come to an end by then has failed. */
const TIMEOUT_MS = 180_000;

/** NaN for a process that is gone. */
function processorMs(pid: number): number {
  let ns = 0;
  try {
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      const text = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1');
      ns += Number(text.slice(0, text.indexOf(' ')));
    }
  } catch {
    return Number.NaN;
  }
  return ns / 1e6;
}

/** Takes the time at the marks in what a process prints. */
class Marks {
  text = '';
  beginMs: number | null = null;
  endMs: number | null = null;
  wallBeginMs = 0;
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  push(chunk: string): void {
    this.text += chunk;
    if (this.beginMs === null && this.text.includes('BEGIN')) {
      this.beginMs = this.#now();
      this.wallBeginMs = performance.now();
    }
    if (this.endMs === null && /END .*\n/.test(this.text)) this.endMs = this.#now();
  }
}

/**
 * Runs a program in a fresh process of a host, and takes the time between the two lines that it prints at its begin and
 * end: everything that the host does to get warm counts, its firmware and start do not.
 * Errors: the host fails, or computes nothing in three minutes
 */
export async function measure(host: Host, image: string, run: string, clock: ClockName): Promise<Sample> {
  const [file, ...args] = host.command(image, run);
  const startMs = performance.now();
  const child = spawn(file, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: TIMEOUT_MS,
    killSignal: 'SIGKILL',
  });
  const pid = child.pid;
  const marks = new Marks(() =>
    clock === 'wall' || pid === undefined ? performance.now() : processorMs(pid),
  );
  const errors = await outputOf(child, marks);
  const [, result] = /END ([0-9a-f]{8})/.exec(marks.text) ?? [];
  if (result === undefined || marks.beginMs === null || marks.endMs === null) {
    throw new Error(`${host.name} did not finish ${run}: ${marks.text}${errors}`);
  }
  return { result, ms: marks.endMs - marks.beginMs, bootMs: marks.wallBeginMs - startMs };
}

function outputOf(child: ChildProcess, marks: Marks): Promise<string> {
  let errors = '';
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    errors += chunk;
  });
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    marks.push(chunk);
    if (marks.endMs !== null || /FAULT/.test(marks.text)) child.kill('SIGKILL');
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', () => resolve(errors));
  });
}
