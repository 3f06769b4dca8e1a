// Every benchmark, once and with little work, so that none rots: what is measured on a busy machine means nothing. The comparison
// with other emulators (`pnpm bench --quick`) is one of the tests of apps/runner.

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const script = (file, ...args) => [
  process.execPath,
  '--import',
  'tsx',
  '--conditions=@domu/source',
  file,
  ...args,
];
const hasCompiler = spawnSync('gcc', ['--version']).status === 0;

const benchmarks = [
  script('packages/xen-hypervisor/bench/exit-path.ts', '--quick'),
  script('packages/xen-hypervisor/bench/two-domains.ts', '--quick'),
  script('packages/x86-cpu/bench/code-churn.ts', '--seconds', '1', '--mib', '4'),
  // Its programs are in C.
  ...(hasCompiler ? [script('packages/x86-cpu/bench/cold-tier.ts', '--quick', '--no-v86')] : []),
  [join(root, 'node_modules', '.bin', 'vitest'), 'bench', '--run'],
];

let nrFailed = 0;
for (const [command, ...args] of benchmarks) {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd: root, encoding: 'utf8' });
  if (status === 0) continue;
  nrFailed++;
  console.log(`${args.join(' ')} ended with ${status}\n${stdout}${stderr}`);
}
console.log(`${benchmarks.length - nrFailed} of ${benchmarks.length} benchmarks work`);
if (!hasCompiler) console.log('without gcc the benchmark of the cold tier was left out');
process.exitCode = nrFailed > 0 ? 1 : 0;
