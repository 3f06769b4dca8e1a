// What a tarball must hold and must not: every module with its types and source maps, the sources that the maps name, and
// nothing that is there for tests or was left behind by an older build.

import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join, posix } from 'node:path';
import * as attw from '@arethetypeswrong/core';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { manifestOf } from './pack.mjs';

const TOP = new Set(['LICENSE', 'README.md', 'CHANGELOG.md', 'package.json', 'dist', 'src']);
const FOR_TESTS = /\.test\.|(^|\/)testing\.|(^|\/)(test|tests|fixtures|bench)\/|\.tsbuildinfo$/;
/** Resolution that an ESM package does not serve: of TypeScript before exports, and by require() before Node 20.19. */
const ESM_ONLY = new Set(['node10:NoResolution', 'node16-cjs:CJSResolvesToESM']);

const filesUnder = (folder) =>
  readdirSync(folder, { recursive: true }).filter((name) => statSync(join(folder, name)).isFile());

/** @param folder an unpacked package. @returns what is wrong with the files in it */
export function checkContents(folder) {
  const wrong = [];
  const files = new Set(filesUnder(folder));
  for (const name of ['LICENSE', 'README.md', 'package.json'])
    if (!files.has(name)) wrong.push(`${name} is missing`);
  for (const file of files) {
    if (!TOP.has(file.split('/')[0]) || FOR_TESTS.test(file)) wrong.push(`${file} should not ship`);
    if (/^dist\/.*\.js$/.test(file)) wrong.push(...checkModule(folder, files, file));
  }
  const { dependencies = {}, exports } = manifestOf(folder);
  const modules = [...files].filter((file) => /^dist\/.*\.(js|d\.ts)$/.test(file));
  const code = modules.map((file) => readFileSync(join(folder, file), 'utf8')).join('\n');
  for (const name of Object.keys(dependencies))
    if (!new RegExp(`from '${name}['/]`).test(code)) wrong.push(`the dependency ${name} is not used`);
  for (const [name, range] of Object.entries(dependencies))
    if (/^(workspace|catalog|file|link):/.test(range)) wrong.push(`${name}: ${range} means nothing to npm`);
  for (const [path, targets] of Object.entries(exports)) {
    const targetFiles = typeof targets === 'string' ? [targets] : Object.values(targets);
    for (const target of targetFiles)
      if (!existsSync(join(folder, target))) wrong.push(`exports["${path}"]: there is no ${target}`);
  }
  return wrong;
}

function checkModule(folder, files, file) {
  const wrong = [];
  const stem = file.slice(0, -'.js'.length);
  if (!files.has(`${stem.replace(/^dist/, 'src')}.ts`)) wrong.push(`${file} has no source: an old build's?`);
  for (const suffix of ['.d.ts', '.js.map', '.d.ts.map'])
    if (!files.has(stem + suffix)) wrong.push(`${stem}${suffix} is missing`);
  for (const map of [`${stem}.js.map`, `${stem}.d.ts.map`].filter((name) => files.has(name))) {
    for (const source of JSON.parse(readFileSync(join(folder, map), 'utf8')).sources)
      if (!files.has(posix.join(posix.dirname(map), source))) wrong.push(`${map} names ${source}`);
  }
  return wrong;
}

/** @returns what publint and attw find wrong with a tarball */
export async function lintTarball(file) {
  const bytes = new Uint8Array(readFileSync(file));
  const pack = { tarball: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) };
  const { messages, pkg } = await publint({ pack, strict: true });
  const wrong = messages.map((message) => `publint: ${formatMessage(message, pkg, { color: false })}`);
  const analysis = await attw.checkPackage(attw.createPackageFromTarballData(bytes));
  if (!analysis.types) return [...wrong, 'attw: no types'];
  for (const { kind, resolutionKind, entrypoint } of analysis.problems)
    if (!ESM_ONLY.has(`${resolutionKind}:${kind}`))
      wrong.push(`attw: ${kind} at ${entrypoint ?? '?'} (${resolutionKind ?? 'any'})`);
  return wrong;
}
