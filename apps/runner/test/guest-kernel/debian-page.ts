/** docs/DEBIAN.md: what a run of all of Debian's cases came to. */
import { verdict } from './debian-table.ts';
import { type Case, caseFiles, type Outcome, programOf, readCases } from './debian-world.ts';

/** Rungs of the ladder of programs that Debian's cases are, with the beginnings of their titles. */
const RUNGS: readonly (readonly [rung: number, ...titles: string[]])[] = [
  [8, 'lua5.4', 'tcc'],
  [9, 'sqlite3'],
  [10, 'perl', 'python3'],
  [11, 'python3 subprocess'],
  [12, '7za', 'xz'],
  [13, 'git', 'gcc'],
  [14, 'supa-mdx-lint', 'sentry-cli'],
  [15, 'deltachat-rpc-server'],
];

const cell = (text: string) => text.replaceAll('|', '\\|');

/** A line of the page. */
interface Row {
  readonly told: string;
  readonly title: string;
  readonly status: number;
  readonly bytes: number;
}

const ROW = /^\| ([A-Za-z0-9 ]+) \| (.*) \| (\d+) \| (\d+) \|$/gm;

/** Titles of all cases, in the order of their files. */
export function allTitles(): string[] {
  return caseFiles().flatMap((name) => readCases(name).cases.map(({ title }) => title));
}

function rowsOf(page: string): Row[] {
  return [...page.matchAll(ROW)].map(([, told = '', title = '', status, bytes]) => ({
    ...{ told, title: title.replaceAll('\\|', '|') },
    ...{ status: Number(status), bytes: Number(bytes) },
  }));
}

/** Titles of the cases that a page lists. */
export function titlesOf(page: string): string[] {
  return rowsOf(page).map(({ title }) => title);
}

/**
 * The page after a run.
 * @param before the page until now: it stays as it is for cases that did not run
 */
export function debianPage(
  before: string,
  cases: ReadonlyMap<number, Case>,
  host: ReadonlyMap<number, Outcome>,
  guest: ReadonlyMap<number, Outcome>,
): string {
  const known = new Map(rowsOf(before).map((row) => [row.title, row]));
  for (const [number, { title }] of cases) {
    const [there, here] = [host.get(number), guest.get(number)];
    const { status = 0, bytes = 0 } = there ?? {};
    known.set(title, { told: verdict(there, here), title, status, bytes });
  }
  return pageOf(allTitles().flatMap((title) => known.get(title) ?? []));
}

function pageOf(rows: readonly Row[]): string {
  const good = rows.filter(({ told }) => told === 'same');
  const failed = rows.filter(({ told }) => told !== 'same').map(({ title, told }) => `- ${title}: ${told}`);
  const programs = new Set(good.map(({ title }) => programOf(title))).size;
  const lines = rows.map(
    ({ told, title, status, bytes }) => `| ${told} | ${cell(title)} | ${status} | ${bytes} |`,
  );
  const rungs = RUNGS.map(([rung, ...titles]) => {
    const ran = rows.filter(({ title }) => titles.some((start) => title.startsWith(start)));
    const same = ran.filter(({ told }) => told === 'same').length;
    return `| ${rung} | ${titles.join(', ')} | ${same} of ${ran.length} |`;
  });
  return `# Debian's programs in the guest kernel

Programs of Debian 12 for i386, and some of npm's, as they are in their packages. Each case is a script of some commands, run
natively and in the guest: what it prints (standard output and error) and its exit status must be the same, byte by byte.
The cases are in \`apps/runner/test/guest-kernel/debian\`. Made by a run of all of them, which
fails if \`e2fsck\` finds something on the disk that they worked on; a run of some (\`DOMU_DEBIAN=REGEXP\`) renews their lines.
NO RESULT is what did not get its turn before such a run was stopped:

    DOMU_DEBIAN=all DOMU_DEBIAN_WRITE=1 npx vitest run apps/runner/test/guest-kernel/debian.test.ts

${good.length} of ${rows.length} cases as on the host, of ${programs} programs (the first of each case counts).
${failed.length === 0 ? 'None fails.' : `\nThese fail:\n\n${failed.join('\n')}`}

| | case | status | bytes |
|---|---|---|---|
${lines.join('\n')}

## Rungs of the ladder

[SYSCALLS.md](SYSCALLS.md) has the ladder of programs. Rungs 8 to 15 are among the cases above; in 13, too, git clones from the
host and pushes to it (\`apps/runner/test/guest-kernel/ladder\`, where the rungs from 16 on are).

| rung | programs | cases as on the host |
|---|---|---|
${rungs.join('\n')}
`;
}
