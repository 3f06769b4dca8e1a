import { writeSync } from 'node:fs';
import { HYPERCALL_NAMES } from '@domu/xen-abi';
import type { Machine } from '@domu/xen-hypervisor';
import type { RunOptions } from './options.ts';
import { exitCodeOf, type Outcome } from './outcome.ts';
import type { Progress } from './session.ts';

const NS_PER_SECOND = 1e9;
const BYTES_PER_KIB = 1024;

/** What --stats writes. Times in seconds. */
export interface Stats {
  readonly exitReason: Outcome['kind'];
  readonly exitCode: number;
  readonly clock: string;
  readonly engine: string;
  readonly memoryMiB: number;
  /** Real time from the first instruction to the end of the run. */
  readonly wallSeconds: number;
  /** The machine's own clock. */
  readonly guestSeconds: number;
  readonly instructionsRetired: number;
  /** Millions of instructions a second of real time, idle time included. */
  readonly mips: number;
  /** Calls by name; those that never happened are left out. */
  readonly hypercalls: Readonly<Record<string, number>>;
  /** Exceptions and soft interrupts by vector, in decimal. */
  readonly traps: Readonly<Record<string, number>>;
  readonly eventUpcalls: number;
  readonly emulatedInstructions: number;
  /** Grant mappings and event channel ports that are left after the guest's end; both are 0 unless something leaks. */
  readonly liveGrants: number;
  readonly livePorts: number;
  readonly peakResidentBytes: number;
}

/** Gathers the numbers of a finished run. @param run.wallNs real nanoseconds that it took */
export function collectStats(
  machine: Pick<Machine, 'counters' | 'liveGrants' | 'livePorts'>,
  run: {
    readonly outcome: Outcome;
    readonly progress: Progress;
    readonly options: Pick<RunOptions, 'clock' | 'engine'>;
    readonly memoryMiB: number;
    readonly wallNs: number;
  },
): Stats {
  const { counters, liveGrants, livePorts } = machine;
  const { retired, guestNs } = run.progress;
  const wallSeconds = run.wallNs / NS_PER_SECOND;
  return {
    exitReason: run.outcome.kind,
    exitCode: exitCodeOf(run.outcome),
    clock: run.options.clock,
    engine: run.options.engine,
    memoryMiB: run.memoryMiB,
    wallSeconds,
    guestSeconds: guestNs / NS_PER_SECOND,
    instructionsRetired: retired,
    mips: Number((retired / 1e6 / wallSeconds).toFixed(3)),
    hypercalls: nonZero(
      counters.hypercalls,
      (nr) => HYPERCALL_NAMES[nr] ?? `nr_${nr}`,
      counters.unknownHypercalls,
    ),
    traps: nonZero(counters.traps, String, 0),
    eventUpcalls: counters.upcalls,
    emulatedInstructions: counters.emulated,
    liveGrants,
    livePorts,
    peakResidentBytes: process.resourceUsage().maxRSS * BYTES_PER_KIB,
  };
}

/** Writes JSON to an open file. */
export function writeStats(fd: number, stats: Stats): void {
  writeSync(fd, `${JSON.stringify(stats, null, 2)}\n`);
}

function nonZero(
  counts: ArrayLike<number>,
  name: (index: number) => string,
  unknown: number,
): Record<string, number> {
  const named: Record<string, number> = {};
  for (let i = 0; i < counts.length; i++) if (counts[i] > 0) named[name(i)] = counts[i];
  if (unknown > 0) named.unknown = unknown;
  return named;
}
