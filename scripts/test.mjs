// `npm test`: every check of the repository. All of them run even when one fails, so that one run shows everything.
// Arguments are handed to vitest: `npm test -- packages/xen-abi`.

import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { defaultKernel } from './default-guest.mjs';
import { cacheDir, countsFile, prepare, root, runMain, UserError } from './workspace.mjs';

const bin = (name) => join(root, 'node_modules', '.bin', name);

const checks = [
  { name: 'types', command: [bin('tsc'), '-p', 'tsconfig.test.json'] },
  {
    name: 'lint and format',
    command: [bin('biome'), 'ci', `--colors=${process.stdout.isTTY ? 'force' : 'off'}`],
  },
  { name: 'import boundaries', command: [process.execPath, 'tools/boundaries.mjs'] },
  { name: 'dead code and dependencies', command: [bin('knip'), '--no-config-hints'] },
  {
    name: 'packed packages, examples, and those of READMEs',
    command: [process.execPath, 'tools/check-packages.mjs'],
  },
  { name: 'the tutorial, in a fresh clone', command: [process.execPath, 'tools/tutorial.mjs'] },
  { name: 'every benchmark, once', command: [process.execPath, 'tools/bench-once.mjs'] },
  { name: 'licences', command: [process.execPath, 'tools/licences.mjs', '--check'] },
  { name: 'API reference', command: [process.execPath, 'tools/api-docs.mjs', '--check'] },
];

function run([command, ...args], stdio) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream?.setEncoding('utf8').on('data', (text) => (output += text));
    child.on('error', reject);
    child.on('close', (code) => resolve({ passed: code === 0, output }));
  });
}

function report(name, { passed, output }) {
  console.log(`${passed ? 'ok    ' : 'FAILED'}  ${name}`);
  if (!passed) console.log(output.trimEnd());
  return passed;
}

/** Names of the checks that failed. */
async function runChecks() {
  const failed = [];
  const next = async (queue) => {
    for (let check = queue.shift(); check; check = queue.shift()) {
      if (!report(check.name, await run(check.command, ['ignore', 'pipe', 'pipe']))) failed.push(check.name);
    }
  };
  const queue = [...checks];
  await Promise.all([next(queue), next(queue)]);
  return failed;
}

/** Tests that boot the default guest skip themselves when it is not there: being offline is no failure. */
function fetchGuest() {
  try {
    defaultKernel();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    console.log(`warning: ${error.message}`);
  }
}

async function runTests(args) {
  mkdirSync(cacheDir, { recursive: true });
  rmSync(countsFile, { force: true });
  const reporters = ['--reporter=default', '--reporter=./scripts/vitest-counts.mjs'];
  const { passed: allWell } = await run([bin('vitest'), 'run', ...reporters, ...args], 'inherit');
  // No file: vitest ended before its tests did.
  const noCounts = { passed: 0, failed: 1, skipped: 0 };
  const counts = existsSync(countsFile) ? JSON.parse(readFileSync(countsFile, 'utf8')) : noCounts;
  // What no test stands for (coverage, a hook of the whole run) shows in the exit code only.
  return allWell ? counts : { ...counts, failed: Math.max(counts.failed, 1) };
}

await runMain(async () => {
  const failedChecks = (await prepare()) ? [] : ['build'];
  failedChecks.push(...(await runChecks()));
  fetchGuest();
  const { passed, failed, skipped } = await runTests(process.argv.slice(2));

  if (failedChecks.length > 0) console.log(`\nFailed outside of vitest: ${failedChecks.join(', ')}`);
  const allFailed = failed + failedChecks.length;
  console.log(`${passed} passed, ${allFailed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
  process.exitCode = allFailed > 0 ? 1 : 0;
});
