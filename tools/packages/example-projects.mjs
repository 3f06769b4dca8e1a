// The folders of examples/, run from packed packages: what each prints is what its README says.

import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';

/** Examples that are programs, as `main.ts`; others are test suites, which vitest runs. */
export const exampleProjects = (root) =>
  readdirSync(join(root, 'examples')).filter((name) => existsSync(join(root, 'examples', name, 'main.ts')));

/** The first ```text block of a README. */
const outputIn = (readme) => /^```text\n([\s\S]*?)^```$/m.exec(readme)?.[1];

/** Runs a copy of an example inside the project. @returns what is wrong, or null */
export async function runExampleProject(root, name, project) {
  const folder = join(project, 'examples', name);
  cpSync(join(root, 'examples', name), folder, {
    recursive: true,
    filter: (source) => !source.includes('node_modules'),
  });
  const outfile = join(folder, 'main.mjs');
  const entryPoints = [join(folder, 'main.ts')];
  await build({ entryPoints, outfile, bundle: true, platform: 'node', format: 'esm', logLevel: 'silent' });
  const { stdout, stderr } = spawnSync(process.execPath, [outfile], { cwd: folder, encoding: 'utf8' });
  const expected = outputIn(readFileSync(join(folder, 'README.md'), 'utf8'));
  return stdout + stderr === expected
    ? null
    : `it prints\n${stdout}${stderr}where its README says\n${expected}`;
}
