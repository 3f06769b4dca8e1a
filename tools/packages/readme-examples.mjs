// The examples of READMEs, run as a reader would run them.
//
// A block that begins with ```ts run is a program; the ```text block that follows it is what it prints. `ts run node` is one
// that needs Node: all others run in a browser's surroundings too. Blocks that begin with plain ```ts are excerpts.

import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import vm from 'node:vm';
import { build } from 'esbuild';

/** What every host of domu has: see types/host.d.ts. A vm context brings the language and WebAssembly by itself. */
const HOST_GLOBALS = { TextEncoder, TextDecoder, atob };

const BLOCK = /^```(\S*)([^\n]*)\n([\s\S]*?)^```$/gm;

/** @returns the examples of a Markdown text: { code, expected, node } */
export function examplesOf(markdown) {
  const blocks = [...markdown.matchAll(BLOCK)].map(([, language, info, text]) => ({
    language,
    words: info.trim().split(/\s+/),
    text,
  }));
  return blocks.flatMap(({ language, words, text }, i) => {
    if (language !== 'ts' || !words.includes('run')) return [];
    const output = blocks[i + 1]?.language === 'text' ? blocks[i + 1].text : null;
    return [{ code: text, expected: output, node: words.includes('node') }];
  });
}

/** Writes the examples of a README into the project. @returns them, with their files */
export function writeExamples(project, name, readme) {
  return examplesOf(readFileSync(readme, 'utf8')).map((example, i) => {
    const file = join(project, `${name}-${i + 1}${example.node ? '.node' : ''}.ts`);
    writeFileSync(file, example.code);
    return { ...example, name, file };
  });
}

/** Runs an example in Node, its types stripped and nothing else changed. @returns what it printed */
export async function runInNode({ file }, project) {
  const outfile = file.replace(/\.ts$/, '.mjs');
  await build({ entryPoints: [file], outfile, format: 'esm', target: 'node20', logLevel: 'silent' });
  const { stdout, stderr } = spawnSync(process.execPath, [outfile], { cwd: project, encoding: 'utf8' });
  return stdout + stderr;
}

/** Bundles an example for browsers and runs it with nothing of Node around it. @returns what it printed */
export async function runInBrowser({ file }, project) {
  const { outputFiles } = await build({
    entryPoints: [file],
    absWorkingDir: project,
    bundle: true,
    write: false,
    platform: 'browser',
    format: 'iife',
    target: 'es2022',
    logLevel: 'silent',
  });
  const lines = [];
  const console = { log: (...words) => lines.push(words.map(String).join(' ')) };
  vm.runInNewContext(outputFiles[0].text, { ...HOST_GLOBALS, console });
  // Promises of the example settle before this.
  await new Promise((resolve) => setImmediate(resolve));
  return lines.map((line) => `${line}\n`).join('');
}
