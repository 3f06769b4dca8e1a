import type { Case, Outcome } from './debian-world.ts';

function verdict(host: Outcome | undefined, guest: Outcome | undefined): string {
  if (host === undefined || guest === undefined) return 'NO RESULT';
  if (host.status !== guest.status) return `STATUS ${guest.status}`;
  return host.digest === guest.digest ? 'same' : 'OUTPUT';
}

const inSeconds = (ms: number | undefined) => (ms === undefined ? '-' : (ms / 1000).toFixed(2));

/** A line a case: what came of it on either side, and in which time; then how many programs and cases there were. */
export function table(
  cases: ReadonlyMap<number, Case>,
  host: ReadonlyMap<number, Outcome>,
  guest: ReadonlyMap<number, Outcome>,
): string {
  const rows = [...cases].map(([number, { title, program }]) => {
    const [there, here] = [host.get(number), guest.get(number)];
    return { title, program, there, here, verdict: verdict(there, here) };
  });
  const lines = rows.map(({ title, there, here, verdict }) =>
    [
      verdict.padEnd(10),
      String(there?.status ?? '-').padStart(4),
      String(there?.bytes ?? '-').padStart(9),
      inSeconds(there?.ms).padStart(8),
      inSeconds(here?.ms).padStart(8),
      ` ${title}`,
    ].join(' '),
  );
  const good = rows.filter((row) => row.verdict === 'same');
  const programs = (of: typeof rows) => new Set(of.map(({ program }) => program)).size;
  const failed = rows.filter((row) => row.verdict !== 'same').map(({ title }) => title);
  return [
    'verdict    status   bytes   host s  guest s  case',
    ...lines,
    `${good.length} of ${rows.length} cases as on the host, of ${programs(good)} programs`,
    ...failed.map((title) => `differs: ${title}`),
  ].join('\n');
}
