import { execFileSync } from 'node:child_process';
import { cpus } from 'node:os';
import { PROGRAMS, type Sample } from './programs.ts';

/** The runs of one host: for each run, one sample per program. */
export type Runs = readonly (readonly Sample[])[];

export interface HostReport {
  ms: number[];
  instructions: number;
  /** Of the fastest run. */
  mips: number;
}

export interface ProgramReport {
  name: string;
  result: string;
  domu: HostReport;
  v86?: HostReport;
  /** How many times faster domu is. */
  ratio?: number;
}

/** How the runs were made. */
export interface Conditions {
  /** What the milliseconds are. */
  timed: string;
  jit: boolean;
  v86Jit: boolean;
}

export interface Report extends Conditions {
  commit: string;
  cpu: string;
  node: string;
  programs: ProgramReport[];
  geomean: { domuMips: number; v86Mips?: number; ratio?: number };
}

/** The processor-time clock may stand still for so long. */
const CLOCK_STEP_MS = 4;

const geomean = (values: readonly number[]): number =>
  Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);

function summarise(runs: Runs, program: number, instructions: number): HostReport {
  const ms = runs.map((samples) => samples[program]!.ms);
  return { ms, instructions, mips: instructions / Math.max(Math.min(...ms), CLOCK_STEP_MS) / 1000 };
}

function commit(): string {
  try {
    return execFileSync('git', ['rev-parse', '--short', 'HEAD'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return 'unknown';
  }
}

/** Fastest run of each program. Both hosts are credited with domu's exact instruction count. */
export function makeReport(domu: Runs, v86: Runs, conditions: Conditions): Report {
  const programs = PROGRAMS.map(({ name }, i): ProgramReport => {
    const { result, instructions } = domu[0]![i]!;
    const ours = summarise(domu, i, instructions);
    if (v86.length === 0) return { name, result, domu: ours };
    const theirs = summarise(v86, i, instructions);
    return { name, result, domu: ours, v86: theirs, ratio: ours.mips / theirs.mips };
  });
  const mean = (pick: (program: ProgramReport) => number | undefined): number | undefined =>
    v86.length === 0 ? undefined : geomean(programs.map((program) => pick(program)!));
  return {
    commit: commit(),
    cpu: cpus()[0]!.model.trim(),
    node: process.version,
    ...conditions,
    programs,
    geomean: {
      domuMips: geomean(programs.map(({ domu }) => domu.mips)),
      v86Mips: mean(({ v86 }) => v86?.mips),
      ratio: mean(({ ratio }) => ratio),
    },
  };
}

const range = (ms: readonly number[]): string =>
  ms.length === 1 ? ms[0]!.toFixed(0) : `${Math.min(...ms).toFixed(0)}-${Math.max(...ms).toFixed(0)}`;

/** The report as a table for people. */
export function formatReport(report: Report): string {
  const rows = [['program', 'instructions', 'domu ms', 'domu MIPS']];
  const withV86 = report.geomean.ratio !== undefined;
  if (withV86) rows[0]!.push('v86 ms', 'v86 MIPS', 'ratio');
  for (const { name, domu, v86, ratio } of report.programs) {
    const row = [name, domu.instructions.toLocaleString('en'), range(domu.ms), domu.mips.toFixed(0)];
    if (v86) row.push(range(v86.ms), v86.mips.toFixed(0), `${ratio!.toFixed(2)}x`);
    rows.push(row);
  }
  const { domuMips, v86Mips, ratio } = report.geomean;
  const last = ['geometric mean', '', '', domuMips.toFixed(0)];
  if (withV86) last.push('', v86Mips!.toFixed(0), `${ratio!.toFixed(2)}x`);
  rows.push(last);
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const line = (row: string[]): string =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!)))
      .join('  ');
  const jit = (on: boolean): string => (on ? 'JIT' : 'interpreter');
  const title = `${report.cpu}, Node ${report.node}, commit ${report.commit}; domu: ${jit(report.jit)}; v86: ${jit(report.v86Jit)}; ${report.timed}`;
  return `${title}\n\n${rows.map(line).join('\n')}\n`;
}
