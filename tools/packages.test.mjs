import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { checkContents, lintTarball } from './packages/contents.mjs';
import { examplesOf, runInBrowser, runInNode, writeExamples } from './packages/readme-examples.mjs';

let folder;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'domu-package-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function write(files) {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
}

const manifest = {
  name: '@domu/sample',
  version: '1.0.0',
  license: 'MIT',
  type: 'module',
  exports: { '.': { types: './dist/index.d.ts', default: './dist/index.js' } },
  dependencies: { '@domu/other': '^1.0.0' },
};
const map = '{"version":3,"sources":["../src/index.ts"],"names":[],"mappings":""}';
const whole = () => ({
  'package.json': JSON.stringify(manifest),
  LICENSE: 'MIT',
  'README.md': '# sample',
  'src/index.ts': 'export const one: number = 1;\n',
  'dist/index.js': "export { one } from '@domu/other';\n",
  'dist/index.d.ts': 'export declare const one: number;\n',
  'dist/index.js.map': map,
  'dist/index.d.ts.map': map,
});

it('a package as it should be has nothing wrong', () => {
  write(whole());
  expect(checkContents(folder)).toEqual([]);
});

it('what should not ship, what is missing, and what an older build has left are found', () => {
  write({
    ...whole(),
    'package.json': JSON.stringify({ ...manifest, dependencies: { '@domu/other': 'workspace:*' } }),
    'dist/gone.js': 'export {};\n',
    'src/testing.ts': '',
    'src/index.test.ts': '',
    'test/data.json': '{}',
  });
  rmSync(join(folder, 'LICENSE'));
  rmSync(join(folder, 'dist/index.d.ts'));
  expect(checkContents(folder).sort()).toEqual([
    '@domu/other: workspace:* means nothing to npm',
    'LICENSE is missing',
    'dist/gone.d.ts is missing',
    'dist/gone.d.ts.map is missing',
    "dist/gone.js has no source: an old build's?",
    'dist/gone.js.map is missing',
    'dist/index.d.ts is missing',
    'exports["."]: there is no ./dist/index.d.ts',
    'src/index.test.ts should not ship',
    'src/testing.ts should not ship',
    'test/data.json should not ship',
  ]);
});

it('publint and attw look at the tarball', { timeout: 120_000 }, async () => {
  const pack = () => {
    const { stdout } = spawnSync('npm', ['pack', '--json', '--ignore-scripts'], {
      cwd: folder,
      encoding: 'utf8',
    });
    return join(folder, JSON.parse(stdout)[0].filename);
  };
  write(whole());
  expect(await lintTarball(pack())).toEqual([]);
  write({
    'dist/index.js': 'module.exports = { one: 1 };\n',
    'dist/index.d.ts': 'export { one } from "./nowhere.js";\n',
  });
  const wrong = (await lintTarball(pack())).join('\n');
  expect(wrong).toMatch(/^publint: .*CJS/m);
  expect(wrong).toMatch(/^attw: InternalResolutionError/m);
});

const README = `
\`\`\`ts
excerpt();
\`\`\`

\`\`\`ts run
const greeting: string = 'hello';
console.log(greeting, typeof process, null, 1);
\`\`\`

\`\`\`text
hello undefined null 1
\`\`\`

\`\`\`ts run node
console.log('second');
\`\`\`
`;

it('only marked blocks are examples, and each has the output that follows it', () => {
  expect(examplesOf(README)).toMatchObject([
    { expected: 'hello undefined null 1\n', node: false },
    { expected: null, node: true },
  ]);
});

it('an example sees Node in Node, and nothing of it in a browser', async () => {
  write({ 'README.md': README });
  const [example] = writeExamples(folder, 'sample', join(folder, 'README.md'));
  expect(await runInNode(example, folder)).toBe('hello object null 1\n');
  expect(await runInBrowser(example, folder)).toBe('hello undefined null 1\n');
});
