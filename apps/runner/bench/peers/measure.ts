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
 * `wall`: real time. `processor`: what all threads of the process have spent on a processor. `busiest`: what the thread with
 * the most has; close to real time on an idle machine, where compiler threads have a processor of their own. The latter two
 * on Linux only, and nothing for a process that ends at once.
 */
export const CLOCKS = ['wall', 'processor', 'busiest'] as const;
export type ClockName = (typeof CLOCKS)[number];

/** A host that does not come to an end by then has failed. */
const TIMEOUT_MS = 180_000;

/** Milliseconds on a processor by thread; empty for a process that is gone. */
function threadTimes(pid: number): Map<string, number> {
  const times = new Map<string, number>();
  try {
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      const text = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1');
      times.set(thread, Number(text.slice(0, text.indexOf(' '))) / 1e6);
    }
  } catch {
    return new Map();
  }
  return times;
}

interface Instant {
  readonly wallMs: number;
  readonly threads: ReadonlyMap<string, number>;
}

/** Milliseconds between two instants; NaN when the process was gone at one of them. */
function between(begin: Instant, end: Instant, clock: ClockName): number {
  if (clock === 'wall') return end.wallMs - begin.wallMs;
  if (begin.threads.size === 0 || end.threads.size === 0) return Number.NaN;
  const deltas = [...end.threads].map(([thread, ms]) => ms - (begin.threads.get(thread) ?? 0));
  return clock === 'busiest' ? Math.max(...deltas) : deltas.reduce((a, b) => a + b, 0);
}

/** Takes the time at the marks in what a process prints. */
class Marks {
  text = '';
  begin: Instant | null = null;
  end: Instant | null = null;
  readonly #now: () => Instant;

  constructor(now: () => Instant) {
    this.#now = now;
  }

  push(chunk: string): void {
    this.text += chunk;
    if (this.begin === null && this.text.includes('BEGIN')) this.begin = this.#now();
    if (this.end === null && /END .*\n/.test(this.text)) this.end = this.#now();
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
  const marks = new Marks(() => ({
    wallMs: performance.now(),
    threads: clock === 'wall' || pid === undefined ? new Map() : threadTimes(pid),
  }));
  const errors = await outputOf(child, marks);
  const [, result] = /END ([0-9a-f]{8})/.exec(marks.text) ?? [];
  const { begin, end } = marks;
  if (result === undefined || begin === null || end === null) {
    throw new Error(`${host.name} did not finish ${run}: ${marks.text}${errors}`);
  }
  return { result, ms: between(begin, end, clock), bootMs: begin.wallMs - startMs };
}

function outputOf(child: ChildProcess, marks: Marks): Promise<string> {
  let errors = '';
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    errors += chunk;
  });
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    marks.push(chunk);
    if (marks.end !== null || /FAULT/.test(marks.text)) child.kill('SIGKILL');
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', () => resolve(errors));
  });
}
