// Does what docs/tutorial.md says, in order, in a copy of this checkout as a fresh clone would be, and compares what is printed with
// what the tutorial says. The record of the run goes to .cache/tutorial.log.
//
// A block ```sh run is typed at a shell, which goes on from block to block; `keys=A;B` are lines for the program that it starts. The
// ```text block that follows is what is printed: lines in order, `…` stands for anything.

import { spawn, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';

const root = fileURLToPath(new URL('..', import.meta.url));
const log = join(root, '.cache', 'tutorial.log');

/** The steps of the tutorial: { script, keys, expected }. */
function stepsOf(markdown) {
  const blocks = [...markdown.matchAll(/^```(\w+)([^\n]*)\n([\s\S]*?)^```$/gm)];
  return blocks.flatMap(([, language, info, text], i) => {
    if (language !== 'sh' || !info.startsWith(' run')) return [];
    const keys = /keys=(.*)$/.exec(info)?.[1].split(';');
    const [, next, , output] = blocks[i + 1] ?? [];
    return [{ script: text, keys, expected: next === 'text' ? output : '' }];
  });
}

/** What `git clone` would give, and what is not committed yet. */
function freshCopy(into) {
  // Whoever runs this may read a checkout that is somebody else's.
  const args = ['-c', 'safe.directory=*', 'ls-files', '-z', '--cached', '--others', '--exclude-standard'];
  const { status, stdout, stderr } = spawnSync('git', args, { cwd: root, encoding: 'utf8' });
  if (status !== 0) throw new Error(`git ls-files failed: ${stderr}`);
  for (const file of stdout.split('\0').filter(Boolean)) {
    mkdirSync(join(into, dirname(file)), { recursive: true });
    cpSync(join(root, file), join(into, file), { verbatimSymlinks: true });
  }
}

/** The lines that a reader sees: without colours, and without what the guest's shell redraws at its prompt. */
function linesOf(output) {
  return output
    .split('\n')
    .map((line) => stripVTControlCharacters(line).replace(/\r+$/, '').replace(/^.*\r/s, ''))
    .map((line) => line.replace(/^((?:\S+: )?\S+:\S*# )\1+/, '$1'));
}

const literal = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** @returns the first expected line that is not printed behind the one before it, or null */
function missing(expected, output) {
  const lines = linesOf(output);
  let at = 0;
  for (const line of expected.split('\n').filter((text) => text !== '' && text !== '…')) {
    const pattern = new RegExp(`^${line.split('…').map(literal).join('.*')}$`);
    const found = lines.findIndex((candidate, i) => i >= at && pattern.test(candidate));
    if (found < 0) return line;
    at = found + 1;
  }
  return null;
}

/** A shell that outlives its commands: `cd` holds for the steps behind it. */
function run(script, { cwd, keys }) {
  return new Promise((resolve) => {
    const env = { ...process.env, NO_COLOR: '1', CI: 'true' };
    const child = spawn('bash', ['-ec', `${script}\necho "tutorial-cwd:$PWD"`], { cwd, env });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text) => (output += text));
    child.stdin.end(keys === undefined ? '' : keys.map((line) => `${line}\n`).join(''));
    child.on('close', (code) => {
      const next = /^tutorial-cwd:(.*)$/m.exec(output)?.[1];
      resolve({ code, output: output.replace(/^tutorial-cwd:.*\n/m, ''), cwd: next ?? cwd });
    });
  });
}

const home = mkdtempSync(join(tmpdir(), 'domu-tutorial-'));
let record = '';
let wrong = null;
try {
  freshCopy(home);
  const steps = stepsOf(readFileSync(join(root, 'docs', 'tutorial.md'), 'utf8'));
  let cwd = home;
  for (const { script, keys, expected } of steps) {
    const result = await run(script, { cwd, keys });
    cwd = result.cwd;
    record += `$ ${script}${result.output}\n`;
    const lost = missing(expected, result.output);
    if (result.code !== 0) wrong = `exit code ${result.code} of\n${script}${result.output}`;
    else if (lost !== null) wrong = `no line "${lost}" in what is printed by\n${script}${result.output}`;
    if (wrong !== null) break;
  }
  console.log(wrong ?? `${steps.length} steps of the tutorial do what it says`);
} finally {
  rmSync(home, { recursive: true, force: true });
}
mkdirSync(dirname(log), { recursive: true });
writeFileSync(log, record.replaceAll(home, '/home/you/domu'));
process.exitCode = wrong === null ? 0 : 1;
