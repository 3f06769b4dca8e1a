// Brings a checkout up to date (dependencies, then build) when, and only when, something changed. A no-op costs some
// milliseconds: it starts no process. Messages go to stderr, because stdout may be the guest's console.

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { usually } from './usual-run.mjs';

/** The top of the checkout, with a slash at its end. */
export const root = fileURLToPath(new URL('..', import.meta.url));
const at = (...parts) => join(root, ...parts);

/** Git-ignored folder for everything that is fetched or derived outside of dist. */
export const cacheDir = at('.cache');

/** Where the vitest reporter leaves its counts for `npm test`. */
export const countsFile = join(cacheDir, 'vitest-counts.json');

/** Something that the user has to act on: shown as one line, without a stack. */
export class UserError extends Error {
  constructor(message, exitCode = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** Runs `main`; a UserError becomes one line and its exit code. */
export async function runMain(main) {
  try {
    await main();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    process.stderr.write(`domu: ${error.message}\n`);
    process.exitCode = error.exitCode;
  }
}

const note = (text) => process.stderr.write(`domu: ${text}\n`);

const workspaceDirs = () => [
  ...['packages', 'apps'].flatMap((parent) => readdirSync(at(parent)).map((name) => `${parent}/${name}`)),
  'tools',
];

function filesUnder(dir) {
  if (!existsSync(at(dir))) return [];
  return readdirSync(at(dir), { recursive: true }).map((name) => `${dir}/${name}`);
}

const readStamp = (file) => (existsSync(file) ? readFileSync(file, 'utf8') : '');

/** Hash of what decides node_modules: the contents of the lock file and of every package.json. */
function dependencyHash() {
  const files = ['pnpm-lock.yaml', 'pnpm-workspace.yaml', 'package.json'];
  files.push(...workspaceDirs().map((dir) => `${dir}/package.json`));
  const hash = createHash('sha256');
  for (const file of files) if (existsSync(at(file))) hash.update(`${file}\0`).update(readFileSync(at(file)));
  return hash.digest('hex');
}

/** Hash of what decides dist, by size and time of change: reading every source would cost more than it can save. */
function sourceHash() {
  const isSource = (file) => /\.(ts|json)$/.test(file) && !file.endsWith('.test.ts');
  const files = ['tsconfig.json', 'tsconfig.base.json', ...filesUnder('types').filter(isSource)];
  for (const dir of workspaceDirs()) {
    files.push(`${dir}/package.json`, `${dir}/tsconfig.json`, ...filesUnder(`${dir}/src`).filter(isSource));
  }
  const hash = createHash('sha256').update(dependencyHash());
  for (const file of files.filter((name) => existsSync(at(name)))) {
    const { mtimeMs, size } = statSync(at(file));
    hash.update(`${file}\0${mtimeMs}\0${size}\0`);
  }
  return hash.digest('hex');
}

const installStamp = at('node_modules', '.domu-bootstrap');
const buildStamp = at('node_modules', '.domu-build');
const runnerDist = at('apps', 'runner', 'dist');
/** The built `domu` command, current after `prepare`. Bundled: four hundred files take longer to load than a guest to boot. */
export const builtMain = join(runnerDist, 'domu.mjs');
const bundledScript = join(runnerDist, 'domu.cjs');

const installed = () => readStamp(installStamp) === dependencyHash();
const built = () => existsSync(builtMain) && readStamp(buildStamp) === sourceHash();

/** Two commands that start at once in a fresh clone must not install or build into each other. */
async function withLock(action) {
  const lock = join(cacheDir, 'workspace.lock');
  const owner = join(lock, 'pid');
  mkdirSync(cacheDir, { recursive: true });
  for (let told = false; ; told = true) {
    try {
      mkdirSync(lock);
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    if (isAbandoned(lock, owner)) rmSync(lock, { recursive: true, force: true });
    else if (!told) note('another command is installing or building here; waiting for it');
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  try {
    writeFileSync(owner, String(process.pid));
    return action();
  } finally {
    rmSync(lock, { recursive: true, force: true });
  }
}

function isAbandoned(lock, owner) {
  try {
    process.kill(Number(readFileSync(owner, 'utf8')), 0);
    return false;
  } catch (error) {
    if (error.code === 'EPERM') return false;
    if (error.code === 'ESRCH') return true;
    // Between mkdir and the writing of the pid there is a moment without an owner.
    return Date.now() - (statSync(lock, { throwIfNoEntry: false })?.mtimeMs ?? Date.now()) > 5000;
  }
}

function packageManager() {
  return JSON.parse(readFileSync(at('package.json'), 'utf8')).packageManager;
}

function install() {
  if (installed()) return;
  note('installing dependencies');
  const args = [
    '-y',
    packageManager(),
    'install',
    '--frozen-lockfile',
    '--prod=false',
    '--reporter=append-only',
  ];
  // Another Node version's or an interrupted install must not end in a question that nobody is there to answer.
  args.push('--config.confirm-modules-purge=false');
  const { status, error, stdout, stderr } = spawnSync('npx', args, { cwd: root, encoding: 'utf8' });
  if (error)
    throw new UserError(`cannot start npx (${error.message}); npm is needed to install the dependencies`);
  if (status !== 0) {
    process.stderr.write(stdout + stderr);
    throw new UserError(
      `installing dependencies failed (npx ${args.slice(0, 3).join(' ')}, exit code ${status})`,
    );
  }
  writeFileSync(installStamp, dependencyHash());
}

function build() {
  if (built()) return true;
  note('building');
  // Taken before the compiler runs: a file saved while it runs is then built the next time.
  const hash = sourceHash();
  const { status, stdout, stderr } = spawnSync(at('node_modules', '.bin', 'tsc'), ['-b'], {
    cwd: root,
    encoding: 'utf8',
  });
  // tsc reports on stdout, which belongs to the guest.
  process.stderr.write(stdout + stderr);
  if (status !== 0 || !bundle()) return false;
  writeFileSync(buildStamp, hash);
  return true;
}

const esbuild = (...args) => {
  const options = [
    '--bundle',
    '--platform=node',
    '--target=node20',
    '--sourcemap=linked',
    '--log-level=warning',
  ];
  const { status, stderr } = spawnSync(at('node_modules', '.bin', 'esbuild'), [...args, ...options], {
    cwd: root,
    encoding: 'utf8',
  });
  process.stderr.write(stderr);
  return status === 0;
};

/** One script, because V8 keeps the code of scripts, not of modules; what commands import when they are run stays lazy. */
function bundle() {
  rmSync(`${bundledScript}.code`, { force: true });
  const script = [join(runnerDist, 'start.js'), `--outfile=${bundledScript}`, '--format=cjs'];
  script.push('--supported:dynamic-import=false', '--define:import.meta.url=__bundleUrl');
  script.push(`--banner:js=const __bundleUrl = require('node:url').pathToFileURL(__filename).href;`);
  const isBuilt =
    esbuild(...script) && esbuild(join(runnerDist, 'launch.js'), `--outfile=${builtMain}`, '--format=esm');
  if (isBuilt) keepCode();
  return isBuilt;
}

/** Keeps V8's code of a usual run beside the bundle. Without it everything runs as well, only the start takes longer. */
function keepCode() {
  const env = { ...process.env, DOMU_KEEP_CODE: '1' };
  usually((args) =>
    spawnSync(process.execPath, [builtMain, ...args], { env, stdio: 'ignore', timeout: 60_000 }),
  );
}

/** Installs and builds as far as needed. Returns whether the build succeeded; throws UserError if the install did not. */
export async function prepare() {
  if (installed() && built()) return true;
  return withLock(() => {
    install();
    return build();
  });
}

/**
 * Runs the built `domu` command with `args`, in this process: the terminal, its signals and the exit code are then the
 * command's own.
 */
export async function runDomu(args) {
  if (!(await prepare())) throw new UserError('the build failed');
  process.argv = [process.argv[0], builtMain, ...args];
  await import(pathToFileURL(builtMain).href);
}
