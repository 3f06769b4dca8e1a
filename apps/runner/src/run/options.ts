import { MAX_MEMORY_MIB, MAX_VCPUS, MIN_MEMORY_MIB } from '@domu/toolstack/limits';
import { secondsOption } from '../options/seconds.ts';
import { UserError } from '../user-error.ts';
import type { ScriptStep } from './script.ts';

export const CLOCKS = ['host', 'virtual'] as const;
export type ClockKind = (typeof CLOCKS)[number];
export const ENGINES = ['interpreter', 'jit'] as const;
export type EngineKind = (typeof ENGINES)[number];

/** What the command line says; null or empty: nothing was said, so the configuration file or a default decides. */
export interface RunOptions {
  /** The configuration or kernel file. */
  readonly guest: string;
  /** Further guests on the same machine; what the command line says otherwise is for the first. */
  readonly others: readonly string[];
  readonly kernel: string | null;
  readonly ramdisk: string | null;
  /** System.map or unstripped image, for the names in crash traces. */
  readonly symbolsFile: string | null;
  readonly cmdline: string | null;
  /** Root file system of the built-in kernel. */
  readonly rootfs: string | null;
  readonly memoryMiB: number | null;
  readonly vcpus: number | null;
  readonly disks: readonly string[];
  /** Nothing is written to any disk's file. */
  readonly snapshot: boolean;
  readonly vifs: readonly string[];
  /** --net: what a first interface is plugged into. */
  readonly net: string | null;
  /** False for the guests that come after the first. */
  readonly isFirst: boolean;
  /** "vif0=FILE" or "GUEST/vif0=FILE": what to capture, and where to. */
  readonly captures: readonly string[];
  /** 'stdio', 'none' or a file name. */
  readonly console: string;
  /** What consoles are written to as well, %n standing for the guest's name; without it, the first guest's. */
  readonly logFile: string | null;
  readonly script: readonly ScriptStep[];
  readonly timeoutSeconds: number | null;
  readonly clock: ClockKind;
  readonly engine: EngineKind;
  readonly statsFile: string | null;
  /** Whether `domu top` and the like can look into it. */
  readonly control: boolean;
  /** Where a trace of the whole run goes. */
  readonly traceFile: string | null;
  /** Where a core dump goes; null: NAME.core in the working directory. */
  readonly coreFile: string | null;
}

/** Parses --memory. Errors: UserError */
export function memoryOption(text: string): number {
  return integerOption('--memory', text, MIN_MEMORY_MIB, MAX_MEMORY_MIB, ' MiB');
}

/** Parses --vcpus. Errors: UserError */
export function vcpusOption(text: string): number {
  return integerOption('--vcpus', text, 1, MAX_VCPUS, '');
}

/** Parses --timeout: seconds, fractions allowed. Errors: UserError */
export function timeoutOption(text: string): number {
  return secondsOption('--timeout', text);
}

function integerOption(name: string, text: string, min: number, max: number, unit: string): number {
  const value = /^[0-9]+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  const problem = Number.isNaN(value) ? 'is not a number' : 'is out of range';
  throw new UserError(`${name}: ${JSON.stringify(text)} ${problem}; expected ${min} to ${max}${unit}`);
}
