// `node scripts/xtf.mjs DIR [OPTIONS]`: runs the pv32pae kernels of the Xen Test Framework that were built in DIR, each
// from the .cfg file that XTF made for it, and compares the verdicts with what is expected here. OPTIONS go to `domu run`.
// Exit code: 0 all as expected, 1 a deviation, 2 wrong use.

import { spawn } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { builtMain, prepare, runMain, UserError } from './workspace.mjs';

/** What a test may say when it is not SUCCESS, with the reason. */
const exceptions = {
  argo: { verdicts: ['SKIP'], why: 'Argo is a build option of Xen, off by default' },
  'cpuid-faulting': { verdicts: ['SKIP', 'SUCCESS'], why: 'depends on what the processor offers' },
};

const timeoutSeconds = 120;

function configs(dir) {
  return readdirSync(dir, { recursive: true })
    .filter((path) => /^test-pv32pae-.*\.cfg$/.test(basename(path)))
    .map((path) => ({
      name: basename(path).slice('test-pv32pae-'.length, -'.cfg'.length),
      path: join(dir, path),
    }))
    .sort((a, b) => a.name.localeCompare(b.name));
}

/** Variations of one test have a `~` and a name behind the test's. */
const expectedOf = (name) => exceptions[name.split('~')[0]]?.verdicts ?? ['SUCCESS'];

function runDomu(args) {
  return new Promise((done, failed) => {
    const child = spawn(process.execPath, [builtMain, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    const output = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'])
      child[name].setEncoding('utf8').on('data', (text) => (output[name] += text));
    child.on('error', failed);
    child.on('close', (code) => done({ code, ...output }));
  });
}

async function runTest({ name, path }, options) {
  const start = performance.now();
  const { code, stdout, stderr } = await runDomu(['run', path, '--timeout', `${timeoutSeconds}`, ...options]);
  const said = /^Test result: (\w+)/m.exec(stdout)?.[1];
  const verdict = said ?? 'NONE';
  const ok = code === 0 && expectedOf(name).includes(verdict);
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  console.log(
    `${ok ? 'ok    ' : 'FAILED'}  ${name.padEnd(24)} ${verdict.padEnd(8)} expected ${expectedOf(name).join(' or ').padEnd(16)} exit ${code}  ${seconds} s`,
  );
  if (!ok) console.log(`${stdout}${stderr}`.trimEnd().replaceAll(/^/gm, '    | '));
  return ok;
}

async function runAll(tests, options) {
  const queue = [...tests];
  let deviations = 0;
  const worker = async () => {
    for (let next = queue.shift(); next; next = queue.shift())
      if (!(await runTest(next, options))) deviations++;
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
  return deviations;
}

await runMain(async () => {
  const [dir, ...options] = process.argv.slice(2);
  if (dir === undefined || dir.startsWith('-')) {
    throw new UserError(
      'usage: node scripts/xtf.mjs DIR [OPTIONS of domu run]; DIR holds XTF, built with make',
      2,
    );
  }
  if (!existsSync(dir) || !statSync(dir).isDirectory()) throw new UserError(`${dir}: no such folder`, 2);
  const tests = configs(resolve(dir));
  if (tests.length === 0) {
    throw new UserError(`${dir} holds no test-pv32pae-*.cfg; expected a folder where XTF was built`, 2);
  }
  if (!(await prepare())) throw new UserError('the build failed');
  const deviations = await runAll(tests, options);
  console.log(`${tests.length - deviations} as expected, ${deviations} not`);
  process.exitCode = deviations > 0 ? 1 : 0;
});
