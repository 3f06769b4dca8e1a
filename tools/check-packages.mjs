// Packages as their users get them: each is packed, all tarballs are installed into an empty project, and there everything
// is looked at: files, types, and the examples of the READMEs, in Node and as a browser's bundle.
//
// Preconditions: the packages are built.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { checkContents, lintTarball } from './packages/contents.mjs';
import { exampleProjects, runExampleProject } from './packages/example-projects.mjs';
import { installAll, manifestOf, packAll } from './packages/pack.mjs';
import { runInBrowser, runInNode, writeExamples } from './packages/readme-examples.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
let nrProblems = 0;

function problem(where, text) {
  nrProblems++;
  console.log(`${where}: ${text}`);
}

/** Modules that import every export of every package, with Node's types and without. */
function writeImports(project, names) {
  const paths = names.flatMap((name) =>
    Object.keys(manifestOf(join(project, 'node_modules', name)).exports)
      .filter((path) => path !== './package.json')
      .map((path) => name + path.slice(1)),
  );
  const importing = (some) =>
    some.map((path, i) => `import * as e${i} from '${path}';\nvoid e${i};\n`).join('');
  const isForNode = (path) => path.endsWith('/node');
  writeFileSync(join(project, 'imports.ts'), importing(paths.filter((path) => !isForNode(path))));
  writeFileSync(join(project, 'imports.node.ts'), importing(paths.filter(isForNode)));
  for (const file of ['imports.ts', 'imports.node.ts'].map((name) => join(project, name)))
    writeFileSync(file.replace('.ts', '.mjs'), readFileSync(file));
  return paths.length;
}

/** A user's compiler settings: everything is checked, our declarations too. Only adapters for Node may need its types. */
function checkTypes(project) {
  const base = { strict: true, target: 'es2022', module: 'nodenext', noEmit: true, skipLibCheck: false };
  const configs = {
    browser: { compilerOptions: { ...base, lib: ['es2023', 'dom'], types: [] }, exclude: ['*.node.ts'] },
    node: { compilerOptions: { ...base, lib: ['es2023'], types: ['node'] }, include: ['*.node.ts'] },
  };
  for (const [name, config] of Object.entries(configs)) {
    const file = join(project, `tsconfig.${name}.json`);
    writeFileSync(file, JSON.stringify(config));
    const tsc = join(root, 'node_modules', '.bin', 'tsc');
    const { status, stdout } = spawnSync(tsc, ['-p', file], { cwd: project, encoding: 'utf8' });
    if (status !== 0) problem(`types of the examples (${name})`, stdout.trim());
  }
}

async function checkExample(example, project) {
  const where = `README of ${example.name}`;
  if (example.expected === null) return problem(where, 'no ```text block says what the example prints');
  const hosts = { Node: runInNode, ...(example.node ? {} : { 'a browser': runInBrowser }) };
  for (const [host, run] of Object.entries(hosts)) {
    const printed = await run(example, project).catch((error) => `${error.stack ?? error}\n`);
    if (printed !== example.expected)
      problem(where, `in ${host} the example prints\n${printed}where the README says\n${example.expected}`);
  }
}

const into = mkdtempSync(join(tmpdir(), 'domu-packages-'));
try {
  const tarballs = packAll(root, into);
  const project = installAll(tarballs, into);
  const examples = [];
  for (const { name, file } of tarballs.filter(({ ours }) => ours)) {
    const folder = join(project, 'node_modules', name);
    for (const wrong of [...checkContents(folder), ...(await lintTarball(file))]) problem(name, wrong);
    const written = writeExamples(project, name.replace('@domu/', ''), join(folder, 'README.md'));
    if (written.length === 0) problem(name, 'its README has no example that runs');
    examples.push(...written);
  }
  const ours = tarballs.filter((tarball) => tarball.ours).map(({ name }) => name);
  const nrPaths = writeImports(project, ours);
  checkTypes(project);
  for (const file of ['imports.mjs', 'imports.node.mjs']) {
    const { status, stderr } = spawnSync(process.execPath, [file], { cwd: project, encoding: 'utf8' });
    if (status !== 0) problem(`importing everything (${file})`, stderr);
  }
  for (const example of examples) await checkExample(example, project);
  for (const name of exampleProjects(root)) {
    const wrong = await runExampleProject(root, name, project);
    if (wrong !== null) problem(`examples/${name}`, wrong);
  }
  const inBrowser = examples.filter(({ node }) => !node).length;
  console.log(
    `${nrProblems} problems in ${ours.length} packages with ${nrPaths} entry points; ${examples.length} examples ran, ${inBrowser} in a browser too`,
  );
} finally {
  rmSync(into, { recursive: true, force: true });
}
process.exitCode = nrProblems > 0 ? 1 : 0;
