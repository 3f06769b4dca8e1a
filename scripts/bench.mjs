// `pnpm bench`: domu, built from the sources as they are now, beside other emulators; see apps/runner/bench/peers.

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { prepare, root, runMain, UserError } from './workspace.mjs';

await runMain(async () => {
  if (!(await prepare())) throw new UserError('the build failed');
  const suite = join(root, 'apps', 'runner', 'bench', 'peers', 'main.ts');
  const { status } = spawnSync(process.execPath, ['--import', 'tsx', suite, ...process.argv.slice(2)], {
    stdio: 'inherit',
  });
  process.exitCode = status ?? 1;
});
