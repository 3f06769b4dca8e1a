// Files out of npm packages, as JSON on stdout: { files: { NAME: path } }, or { missing } with the reason. Arguments are
// NAME@VERSION:PATH, as often as wanted; packages are fetched on first use and nothing of them is run.

import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { run, withFreshDir } from './debian.mjs';
import { cacheDir, UserError } from './workspace.mjs';

function unpacked(spec) {
  const home = join(cacheDir, `npm-${spec.replaceAll('/', '+')}`);
  if (existsSync(home)) return home;
  withFreshDir((dir) => {
    process.stderr.write(`domu: fetching ${spec} from the npm registry\n`);
    const packed = run('npm', ['pack', '--silent', spec], { cwd: dir });
    const archive = readdirSync(dir).find((name) => name.endsWith('.tgz'));
    if (packed.status !== 0 || !archive)
      throw new UserError(`npm cannot fetch ${spec} (offline?): ${packed.stderr?.trim().split('\n')[0]}`);
    mkdirSync(join(dir, 'files'));
    const args = ['-xzf', archive, '-C', 'files', '--strip-components=1', '--no-same-owner'];
    const result = run('tar', args, { cwd: dir });
    if (result.status !== 0) throw new UserError(`${archive} cannot be unpacked: ${result.stderr.trim()}`);
    rmSync(home, { recursive: true, force: true });
    renameSync(join(dir, 'files'), home);
  });
  return home;
}

function fixture() {
  try {
    const files = process.argv.slice(2).map((argument) => {
      const at = argument.lastIndexOf(':');
      const path = argument.slice(at + 1);
      return [basename(path), join(unpacked(argument.slice(0, at)), path)];
    });
    return { files: Object.fromEntries(files) };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { missing: error.message };
  }
}

console.log(JSON.stringify(fixture()));
