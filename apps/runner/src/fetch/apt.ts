import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { UserError } from '../user-error.ts';
import { runTool, type ToolResult } from './tools.ts';

/** More than any guest here needs; a list of packages that pulls in half of Debian is a mistake. */
const MAX_DOWNLOAD_BYTES = 1 << 30;

/** A package's file. */
export interface Archive {
  readonly path: string;
  readonly name: string;
  readonly bytes: number;
}

export interface AptOptions {
  /** Folder for lists and packages: the system's own are left alone. */
  readonly state: string;
  readonly architecture: string;
  /** @param fraction of the present step that is done, 0 to 1 */
  readonly onProgress: (step: string, fraction: number) => void;
  readonly signal: AbortSignal;
}

/**
 * Debian's apt-get with a state of its own and an empty package database, so that nothing counts as installed. It verifies
 * what it fetches by the archive's signatures and checksums, and goes on with what an earlier run has left.
 */
export class Apt {
  readonly #options: AptOptions;
  readonly #archives: string;

  constructor(options: AptOptions) {
    this.#options = options;
    const { state } = options;
    this.#archives = join(state, 'cache/archives');
    for (const sub of ['lists/partial', 'cache/archives/partial', 'none/partial'])
      mkdirSync(join(state, sub), { recursive: true });
    writeFileSync(join(state, 'status'), '');
  }

  /**
   * Downloads packages and what they depend on.
   * @param packages names, or apt's patterns such as ?essential
   * Errors: UserError, which says what to do
   */
  async download(packages: readonly string[]): Promise<Archive[]> {
    const { onProgress } = this.#options;
    let plan = await this.#plan(packages);
    if (plan.status !== 0) {
      // A source that is of no use here may fail: what counts is whether the packages are found afterwards.
      const update = await this.#run('fetching package lists', ['update']);
      plan = await this.#plan(packages);
      if (plan.status !== 0) throw this.#failed(packages, this.#hasLists() ? plan : update);
    }
    const archives = this.#archivesOf(plan.stdout);
    const bytes = archives.reduce((sum, archive) => sum + archive.bytes, 0);
    if (archives.length === 0) throw this.#failed(packages, plan);
    if (bytes > MAX_DOWNLOAD_BYTES)
      throw new UserError(
        `${packages.join(' ')}: ${Math.round(bytes / 2 ** 20)} MiB to download; expected at most ${MAX_DOWNLOAD_BYTES / 2 ** 20} MiB, so ask for less`,
      );
    const what = `fetching ${archives.length} package${archives.length === 1 ? '' : 's'} (${(bytes / 2 ** 20).toFixed(1)} MiB)`;
    onProgress(what, 0);
    const fetched = await this.#run(what, ['-y', '--download-only', 'install', ...packages]);
    if (fetched.status !== 0) throw this.#failed(packages, fetched);
    return archives;
  }

  #hasLists(): boolean {
    return readdirSync(join(this.#options.state, 'lists')).some((name) => name.includes('_Packages'));
  }

  /** With a cache of its own: apt leaves out what is there already. */
  #plan(packages: readonly string[]): Promise<ToolResult> {
    const none = `Dir::Cache::Archives=${this.#options.state}/none`;
    return this.#run('looking for packages', [
      '-o',
      none,
      '-y',
      '-qq',
      '--print-uris',
      'install',
      ...packages,
    ]);
  }

  #archivesOf(plan: string): Archive[] {
    return [...plan.matchAll(/^'[^']*' ([^\s/]+) (\d+)/gm)].map(([, name, bytes]) => ({
      name,
      path: join(this.#archives, name),
      bytes: Number(bytes),
    }));
  }

  #run(step: string, args: readonly string[]): Promise<ToolResult> {
    const { state, architecture, onProgress, signal } = this.#options;
    const settings = [
      `APT::Architecture=${architecture}`,
      `APT::Architectures=${architecture}`,
      'APT::Install-Recommends=false',
      'APT::Status-Fd=3',
      // Otherwise a repository that cannot be reached is a warning, and the reason is lost.
      'APT::Update::Error-Mode=any',
      'Acquire::Languages=none',
      'Acquire::Retries=2',
      'Acquire::http::Timeout=30',
      'Acquire::https::Timeout=30',
      `Dir::State::Lists=${state}/lists`,
      `Dir::State::status=${state}/status`,
      `Dir::Cache=${state}/cache`,
    ];
    // Root's downloads go through another user, who cannot write to our cache.
    if (process.getuid?.() === 0) settings.push('APT::Sandbox::User=root');
    const options = settings.flatMap((setting) => ['-o', setting]);
    return runTool('apt-get', [...options, ...args], {
      signal,
      onStatus: (line) => {
        const percent = /^dlstatus:[^:]*:([\d.]+):/.exec(line)?.[1];
        if (percent !== undefined) onProgress(step, Math.min(1, Number(percent) / 100));
      },
    });
  }

  #failed(packages: readonly string[], { stderr, status }: ToolResult): UserError {
    const lines = stderr.split('\n');
    const reason =
      lines.find((line) => /^E: (?!Some index files|Unable to fetch some)/.test(line)) ??
      lines.find((line) => /^[EW]: /.test(line)) ??
      `exit code ${status}`;
    const missing = /Unable to locate package|no installation candidate/.test(stderr);
    const { architecture } = this.#options;
    const advice = missing
      ? `the sources of this system (/etc/apt/sources.list) have no such package for ${architecture}; those of Debian 12 have all but misspelt ones`
      : 'see whether the network is there (a proxy goes into http_proxy) and run it again; what has been fetched is kept';
    return new UserError(
      `apt-get cannot fetch ${packages.join(' ')}: ${reason.replace(/^[EW]: /, '').trim()}; ${advice}`,
    );
  }
}
