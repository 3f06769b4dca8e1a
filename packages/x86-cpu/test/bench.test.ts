import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const bench = fileURLToPath(new URL('../bench/cold-tier.ts', import.meta.url));
// The guest is compiled on the spot, and the host's CPU is the oracle.
const canRun =
  process.platform === 'linux' && process.arch === 'x64' && spawnSync('gcc', ['--version']).status === 0;

test.runIf(canRun)(
  'the benchmark runs, and native CPU, domu and v86 agree on its results (on Linux with gcc on x86-64)',
  { timeout: 60_000 },
  () => {
    const args = ['--conditions=@domu/source', '--import', 'tsx', bench, '--quick'];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    expect(status, stderr).toBe(0);
    expect(stdout).toMatch(/^geometric mean/m);
  },
);
