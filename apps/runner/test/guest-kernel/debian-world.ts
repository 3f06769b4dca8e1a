import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { builtDomu } from '../built-domu.ts';
import type { Sandbox } from '../harness.ts';
import { at } from './busybox-world.ts';

type Tree =
  | { readonly tree: string; readonly image: string; readonly missing?: undefined }
  | { readonly missing: string };

/** A command line, or several, that has to do the same in the guest as on the host. */
export interface Case {
  readonly program: string;
  readonly title: string;
  readonly script: string;
}

/** Cases that need the same packages. */
export interface CaseFile {
  readonly packages: readonly string[];
  readonly cases: readonly Case[];
}

/** What came of a case. */
export interface Outcome {
  readonly status: number;
  readonly ms: number;
  readonly bytes: number;
  /** SHA-256 of standard output and error together. */
  readonly digest: string;
  /** Their beginning. */
  readonly head: string;
}

/** What a case is about first: its title begins with it. */
export function programOf(title: string): string {
  return title.split(/[ ,:]/)[0]!;
}

/** Reads a file of cases: a line of packages, then `### PROGRAM WHAT IT SHOWS` before each script. */
export function readCases(name: string): CaseFile {
  const [head = '', ...parts] = readFileSync(at(`debian/${name}`), 'utf8').split(/^### /m);
  const packages = head
    .replace(/^packages:/, '')
    .trim()
    .split(/\s+/);
  const cases = parts.map((part) => {
    const end = part.indexOf('\n');
    const title = part.slice(0, end);
    return { title, program: programOf(title), script: part.slice(end + 1) };
  });
  return { packages, cases };
}

/** @returns names of the files of cases, the small one first */
export function caseFiles(): string[] {
  const names = readdirSync(at('debian')).filter((name) => name.endsWith('.txt'));
  return ['small.txt', ...names.filter((name) => name !== 'small.txt').sort()];
}

/** A Debian tree of the packages, built on first use, or the reason why there is none. */
export function debianTree(packages: readonly string[]): Tree {
  const script = at('../../../../scripts/debian-fixture.mjs');
  return JSON.parse(execFileSync(process.execPath, [script, ...packages], { encoding: 'utf8' }));
}

function prepareWork(sandbox: Sandbox, name: string, cases: ReadonlyMap<number, Case>): string {
  const work = sandbox.path(name);
  mkdirSync(join(work, 'cases'), { recursive: true });
  for (const file of ['setup.sh', 'run.sh'])
    writeFileSync(join(work, file), readFileSync(at(`debian/${file}`)));
  for (const [number, { script }] of cases)
    writeFileSync(join(work, 'cases', String(number).padStart(3, '0')), script);
  return work;
}

/** Reads what run.sh prints, as it comes. */
class Outcomes {
  readonly found: Map<number, Outcome> = new Map();
  readonly #told: (number: number, outcome: Outcome) => void;
  #read = 0;

  /** @param told is called with each outcome once */
  constructor(told: (number: number, outcome: Outcome) => void = () => {}) {
    this.#told = told;
  }

  /** @param printed all that was printed so far */
  read(printed: string): void {
    for (;;) {
      const start = printed.indexOf(MARK, this.#read);
      const end = start < 0 ? -1 : printed.indexOf(END, start);
      if (end < 0) return;
      this.#read = end + END.length;
      this.#add(printed.slice(start + MARK.length, end).replaceAll('\r', ''));
    }
  }

  #add(part: string): void {
    const [line = '', ...encoded] = part.split('\n');
    const [number, status, ms, bytes, digest] = line.split(' ');
    if (digest === undefined) return;
    const head = Buffer.from(encoded.join(''), 'base64').toString('latin1');
    const numbers = { status: Number(status), ms: Number(ms), bytes: Number(bytes) };
    const outcome = { ...numbers, digest, head };
    this.found.set(Number(number), outcome);
    this.#told(Number(number), outcome);
  }
}

/** Before and after each case's outcome. */
const [MARK, END] = ['@@ ', '@@.'];
const NAME_SPACES = ['--mount', '--pid', '--net', '--fork', '--propagation', 'private'];

/** Arguments of unshare for running something natively, as root or in a user name space. */
export function unshareArguments(): string[] {
  return [...(process.getuid?.() === 0 ? [] : ['--map-root-user']), ...NAME_SPACES];
}

/** Why the programs of a tree cannot be run natively on this machine; null when they can. */
export function nativeObstacle(tree: string): string | null {
  const { error, stderr, status } = spawnSync(
    'unshare',
    [...unshareArguments(), 'chroot', tree, '/bin/true'],
    {
      encoding: 'utf8',
    },
  );
  if (error) return `unshare: ${error.message}`;
  return status === 0 ? null : `i386 programs do not run in name spaces of their own here: ${stderr.trim()}`;
}

/** Runs the cases natively, as root or in a user name space. */
export function onHost(
  sandbox: Sandbox,
  tree: string,
  cases: ReadonlyMap<number, Case>,
): Map<number, Outcome> {
  const work = prepareWork(sandbox, 'host', cases);
  const args = [...unshareArguments(), 'sh', at('debian/enter.sh'), tree, work, '60'];
  const result = spawnSync('unshare', args, { encoding: 'latin1', maxBuffer: 1 << 28 });
  if (!result.stdout.includes('@@ end'))
    throw new Error(`the programs do not run natively: ${result.stderr}${result.error ?? ''}`);
  const outcomes = new Outcomes();
  outcomes.read(result.stdout);
  return outcomes.found;
}

export interface GuestOptions {
  readonly seconds: number;
  readonly caseSeconds: number;
  readonly engine: string;
  /** Called when a case is through. */
  readonly told: (number: number, outcome: Outcome) => void;
}

export interface GuestRun {
  readonly code: number;
  readonly outcomes: Map<number, Outcome>;
  readonly console: string;
  readonly work: string;
}

/** Runs the cases in one boot of the built-in kernel, the tree as its root disk, a second disk to work on. */
export async function inGuest(
  sandbox: Sandbox,
  image: string,
  cases: ReadonlyMap<number, Case>,
  options: GuestOptions,
): Promise<GuestRun> {
  const folder = prepareWork(sandbox, 'guest', cases);
  const work = sandbox.path('work.img');
  execFileSync('mke2fs', ['-q', '-F', '-t', 'ext4', '-b', '4096', '-d', folder, work, '512M'], {
    env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` },
  });
  rmSync(folder, { recursive: true });
  const outcomes = new Outcomes(options.told);
  const result = await builtDomu(
    [
      ...['run', 'guest-kernel', '--memory', '640', '--engine', options.engine],
      ...['--disk', `${image},raw,xvda,w`, '--disk', `${work},raw,xvdb,w`],
      ...['--cmdline', `root=/dev/xvda ro quiet init=/sbin/cases limit=${options.caseSeconds}`],
      ...['--expect', 'all cases done', '--timeout', String(options.seconds)],
    ],
    (terminal) => {
      terminal.onOutput = (printed) => outcomes.read(printed);
    },
  );
  const console = `${result.stdout}${result.stderr}`;
  return { code: result.code, outcomes: outcomes.found, console, work };
}
