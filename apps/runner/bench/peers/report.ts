import { execFileSync } from 'node:child_process';
import { cpus } from 'node:os';
import type { HostName, PeerName } from './hosts.ts';
import type { ClockName, Sample } from './measure.ts';
import type { Program } from './suite.ts';

/** The fastest of a program's runs on each host; a host that could not run is left out. */
export interface Row {
  readonly program: Program;
  readonly best: Readonly<Partial<Record<HostName, Sample>>>;
}

/** What --json writes; milliseconds, and domu's speed over a peer's: above 1 where domu is faster. */
export interface JsonReport {
  programs: Record<string, { domu_ms: number; v86_ms?: number; qemu_ms?: number }>;
  geomean: { v86?: number; qemu?: number };
}

const TIMES: Readonly<Record<ClockName, string>> = {
  wall: 'wall time',
  processor: 'processor time of all threads',
  busiest: 'processor time of the busiest thread',
};
const PEERS: readonly PeerName[] = ['v86', 'qemu'];

const geomean = (values: readonly number[]): number | undefined =>
  values.length === 0
    ? undefined
    : Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);

/** How many times faster domu is on one program; undefined when one of them did not run. */
function ratio({ best }: Row, peer: PeerName): number | undefined {
  return best.domu && best[peer] ? best[peer].ms / best.domu.ms : undefined;
}

const mean = (rows: readonly Row[], peer: PeerName): number | undefined =>
  geomean(rows.map((row) => ratio(row, peer)).filter((value) => value !== undefined));

const rounded = (ms: number | undefined): number | undefined =>
  ms === undefined ? undefined : Number(ms.toFixed(2));

export function jsonReport(rows: readonly Row[]): JsonReport {
  const programs: JsonReport['programs'] = {};
  for (const { program, best } of rows) {
    programs[program.name] = {
      domu_ms: rounded(best.domu?.ms) ?? Number.NaN,
      v86_ms: rounded(best.v86?.ms),
      qemu_ms: rounded(best.qemu?.ms),
    };
  }
  return { programs, geomean: { v86: rounded(mean(rows, 'v86')), qemu: rounded(mean(rows, 'qemu')) } };
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

const ms = (value = Number.NaN): string => (Number.isNaN(value) ? '-' : value.toFixed(0));
const times = (value: number | undefined): string => (value === undefined ? '-' : `${value.toFixed(2)}x`);

/** The table for people. @param runs how many runs of each the fastest was taken of */
export function formatReport(rows: readonly Row[], runs: number, clock: ClockName): string {
  const cells = [
    ['program', 'native', 'domu', 'v86', 'qemu', 'x v86', 'x qemu', 'boot: domu', 'v86', 'qemu'],
  ];
  for (const row of rows) {
    const { native, domu, v86, qemu } = row.best;
    cells.push([
      row.program.name,
      ...[native, domu, v86, qemu].map((sample) => ms(sample?.ms)),
      ...PEERS.map((peer) => times(ratio(row, peer))),
      ...[domu, v86, qemu].map((sample) => ms(sample?.bootMs)),
    ]);
  }
  cells.push(['geometric mean', '', '', '', '', ...PEERS.map((peer) => times(mean(rows, peer))), '', '', '']);
  const widths = cells[0]!.map((_, column) => Math.max(...cells.map((line) => line[column]!.length)));
  const line = (texts: readonly string[]): string =>
    texts
      .map((text, column) => (column === 0 ? text.padEnd(widths[0]!) : text.padStart(widths[column]!)))
      .join('  ');
  return [
    `${cpus()[0]?.model.trim() ?? 'unknown CPU'}, Node ${process.version}, commit ${commit()}`,
    `${TIMES[clock]} in ms from a program's first to its last instruction in a fresh process; fastest of ${runs}`,
    'x: how many times faster domu is. boot: wall time before the first instruction, in no other figure',
    '',
    ...cells.map(line),
    '',
  ].join('\n');
}
