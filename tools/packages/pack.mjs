// Packs every package as `npm pack` does, and installs all of them into an empty project: no registry is asked.

import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Names of the folders in packages/. */
export const packageFolders = (root) => readdirSync(join(root, 'packages')).sort();

export const manifestOf = (folder) => JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));

function npm(args, cwd) {
  const env = { ...process.env, npm_config_update_notifier: 'false' };
  const { status, stdout, stderr, error } = spawnSync('npm', args, { cwd, env, encoding: 'utf8' });
  if (error) throw error;
  if (status !== 0) throw new Error(`npm ${args[0]} failed:\n${stdout}${stderr}`);
  return stdout;
}

/**
 * Folders of everything that packages depend on and that is not ours, as it is installed here. They are packed again, so
 * that the empty project needs no registry either.
 */
function outsideDependencies(root) {
  const found = new Map();
  const visit = (name, from) => {
    const folder = realpathSync(join(from, 'node_modules', name));
    if (name.startsWith('@domu/') || found.has(name)) return;
    found.set(name, folder);
    // pnpm puts what a package depends on beside it.
    const beside = name.startsWith('@') ? dirname(dirname(dirname(folder))) : dirname(dirname(folder));
    for (const next of Object.keys(manifestOf(folder).dependencies ?? {})) visit(next, beside);
  };
  for (const name of packageFolders(root)) {
    const folder = join(root, 'packages', name);
    for (const dependency of Object.keys(manifestOf(folder).dependencies ?? {})) visit(dependency, folder);
  }
  // What the type declarations of the adapters for Node are about.
  visit('@types/node', root);
  return [...found.values()];
}

/**
 * @param into an empty folder
 * @returns the tarballs: { folder: 'x86-cpu', file } of ours, and the files of others
 */
export function packAll(root, into) {
  const tarballs = join(into, 'tarballs');
  mkdirSync(tarballs, { recursive: true });
  const ours = packageFolders(root).map((name) => join(root, 'packages', name));
  const others = outsideDependencies(root);
  const args = ['pack', '--ignore-scripts', '--json', '--pack-destination', tarballs, ...ours, ...others];
  const packed = JSON.parse(npm(args, root));
  const fileOf = ({ filename }) => join(tarballs, filename.replace('@', '').replace('/', '-'));
  const files = (Array.isArray(packed) ? packed : Object.values(packed)).map((entry) => ({
    name: entry.name,
    file: fileOf(entry),
  }));
  return files.map((entry) => ({ ...entry, ours: entry.name.startsWith('@domu/') }));
}

/** @returns the folder of a project that has all tarballs installed and nothing else */
export function installAll(tarballs, into) {
  const project = join(into, 'project');
  rmSync(project, { recursive: true, force: true });
  mkdirSync(project, { recursive: true });
  writeFileSync(join(project, 'package.json'), '{ "private": true, "type": "module" }\n');
  const files = tarballs.map(({ file }) => file);
  npm(['install', '--offline', '--no-audit', '--no-fund', '--ignore-scripts', ...files], project);
  return project;
}
