import type { Case, Outcome } from './debian-world.ts';

/** `same`, or in which way the guest is not as the host. */
export function verdict(host: Outcome | undefined, guest: Outcome | undefined): string {
  if (host === undefined || guest === undefined) return 'NO RESULT';
  if (host.status !== guest.status) return `STATUS ${guest.status}`;
  return host.digest === guest.digest ? 'same' : 'OUTPUT';
}

/** The first line in which what two runs printed differs. */
function firstDifference(host: Outcome | undefined, guest: Outcome | undefined): string {
  const [there, here] = [host, guest].map((outcome) => outcome?.head.split('\n') ?? []);
  const at = there!.findIndex((line, index) => line !== here![index]);
  const row = at < 0 ? there!.length : at;
  const shown = (lines: readonly string[]) => JSON.stringify(lines[row]?.slice(0, 200) ?? 'nothing');
  return `line ${row + 1} is ${shown(there!)} on the host, ${shown(here!)} in the guest`;
}

/** What is not as on the host, a line a case. */
export function differences(
  cases: ReadonlyMap<number, Case>,
  host: ReadonlyMap<number, Outcome>,
  guest: ReadonlyMap<number, Outcome>,
): string[] {
  return [...cases].flatMap(([number, { title }]) => {
    const [there, here] = [host.get(number), guest.get(number)];
    const told = verdict(there, here);
    return told === 'same' ? [] : [`${title}: ${told}; ${firstDifference(there, here)}`];
  });
}

const inSeconds = (ms: number | undefined) => (ms === undefined ? '-' : (ms / 1000).toFixed(2));

export const TABLE_HEAD = 'verdict    status   bytes   host s  guest s  case';

/** What came of a case on either side, and in which time: a line of the table. */
export function tableRow(title: string, host: Outcome | undefined, guest: Outcome | undefined): string {
  return [
    verdict(host, guest).padEnd(10),
    String(host?.status ?? '-').padStart(4),
    String(host?.bytes ?? '-').padStart(9),
    inSeconds(host?.ms).padStart(8),
    inSeconds(guest?.ms).padStart(8),
    ` ${title}`,
  ].join(' ');
}

/** A line a case, then how many programs and cases there were. */
export function table(
  cases: ReadonlyMap<number, Case>,
  host: ReadonlyMap<number, Outcome>,
  guest: ReadonlyMap<number, Outcome>,
): string {
  const rows = [...cases];
  const good = rows.filter(([number]) => verdict(host.get(number), guest.get(number)) === 'same');
  const programs = (of: typeof rows) => new Set(of.map(([, { program }]) => program)).size;
  return [
    TABLE_HEAD,
    ...rows.map(([number, { title }]) => tableRow(title, host.get(number), guest.get(number))),
    `${good.length} of ${rows.length} cases as on the host, of ${programs(good)} programs`,
  ].join('\n');
}
