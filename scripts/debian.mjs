// Programs and files out of Debian packages, without root: apt-get download, then unpacked into the cache folder.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { cacheDir, UserError } from './workspace.mjs';

// Administrators' tools live in sbin, which is not on an ordinary user's path.
const sbin = ['/usr/sbin', '/sbin'];
const env = { ...process.env, LC_ALL: 'C', PATH: [process.env.PATH, ...sbin].join(delimiter) };

/** Runs a program to its end, its output captured. @param options as for spawnSync */
export const run = (command, args, options = {}) =>
  spawnSync(command, args, { encoding: 'utf8', ...options, env: { ...env, ...options.env } });

/** Calls `action` with an empty folder of the cache that is gone afterwards, so that nothing half-made stays. */
export function withFreshDir(action) {
  mkdirSync(cacheDir, { recursive: true });
  const dir = mkdtempSync(join(cacheDir, 'unfinished-'));
  try {
    return action(dir);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** apt on package lists of our own: needs no root, changes nothing in the system, and works where no list was fetched yet. */
function downloadWithOwnLists(dir, packages, architecture) {
  const state = join(dir, 'apt');
  for (const sub of ['lists/partial', 'cache/archives/partial'])
    mkdirSync(join(state, sub), { recursive: true });
  const options = [
    `Dir::State::Lists=${state}/lists`,
    `Dir::Cache=${state}/cache`,
    // Otherwise a repository that cannot be reached is a warning, and the reason is lost.
    'APT::Update::Error-Mode=any',
  ];
  if (architecture) options.push(`APT::Architecture=${architecture}`, `APT::Architectures=${architecture}`);
  const asOptions = options.flatMap((option) => ['-o', option]);
  const update = run('apt-get', [...asOptions, 'update'], { cwd: dir });
  return update.status === 0 ? run('apt-get', [...asOptions, 'download', ...packages], { cwd: dir }) : update;
}

/** Leaves the packages' files in `dir`/unpacked. */
function download(dir, packages, { hint, architecture }) {
  process.stderr.write(`domu: fetching ${hint} (apt-get download ${packages.join(' ')})\n`);
  let result = run('apt-get', ['download', ...packages], { cwd: dir });
  if (result.error) throw new UserError(`apt-get is not there; it is needed to fetch ${hint}`);
  if (result.status !== 0) result = downloadWithOwnLists(dir, packages, architecture);
  if (result.status !== 0) {
    const reason =
      result.stderr.split('\n').find((line) => line.startsWith('E:')) ?? `exit code ${result.status}`;
    throw new UserError(`apt-get cannot download ${packages.join(' ')} (offline?): ${reason}`);
  }
  for (const archive of readdirSync(dir).filter((name) => name.endsWith('.deb'))) {
    const unpack = run('dpkg-deb', ['-x', archive, 'unpacked'], { cwd: dir });
    if (unpack.error) throw new UserError(`dpkg-deb is not there; it is needed to unpack ${archive}`);
    if (unpack.status !== 0)
      throw new UserError(`dpkg-deb cannot unpack ${archive}: ${unpack.stderr.trim()}`);
  }
}

/**
 * Folder that holds the files of Debian packages; fetched on first use.
 * @param packages the folder is called like the first, unless options.folder says otherwise
 * @param wanted a file, relative to that folder, that must be among them
 * @param options.hint what it is, for messages; options.architecture when it is not the host's own
 */
export function debianFiles(packages, wanted, options) {
  const home = join(cacheDir, options.folder ?? packages[0]);
  if (existsSync(join(home, wanted))) return home;
  withFreshDir((dir) => {
    download(dir, packages, options);
    if (!existsSync(join(dir, 'unpacked', wanted)))
      throw new UserError(`the Debian package ${packages[0]} holds no ${wanted}`);
    rmSync(home, { recursive: true, force: true });
    renameSync(join(dir, 'unpacked'), home);
  });
  return home;
}

/**
 * A program of the system, or else of Debian packages.
 * @param path where it lies in the first of them
 * @returns runs it with arguments, as `run` does
 */
export function debianTool(path, packages) {
  const name = path.slice(path.lastIndexOf('/') + 1);
  if (run(name, ['-V']).error === undefined) return (args, options) => run(name, args, options);
  const home = debianFiles(packages, path, { hint: name });
  const libraries = readdirSync(home, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.name.includes('.so.'))
    .map((entry) => entry.parentPath ?? entry.path);
  const LD_LIBRARY_PATH = [...new Set(libraries)].join(delimiter);
  return (args, options) => run(join(home, path), args, { ...options, env: { LD_LIBRARY_PATH } });
}
