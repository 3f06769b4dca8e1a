// docs/LICENCES.md: everything that is installed for this repository, with its licence. --check compares instead of writing, and
// fails where a licence is not one that may be used.

import { readdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const page = join(root, 'docs', 'LICENCES.md');
const read = (file) => JSON.parse(readFileSync(file, 'utf8'));

/** Licences without a duty beyond keeping the notice. Weak copyleft may be used in tools that do not ship. */
const PERMISSIVE =
  /^\(?(MIT|ISC|0BSD|BSD-2-Clause|BSD-3-Clause|Apache-2\.0|BlueOak-1\.0\.0|CC0-1\.0|Unlicense|Python-2\.0|Zlib|MIT-0)( (AND|OR) [\w.-]+)*\)?$/;
const FOR_TOOLS = /^(MPL-2\.0|CC-BY-4\.0|CC-BY-3\.0)$/;

/** Read in the package's own file, because its manifest only points there. */
const READ_BY_HAND = { spawndamnit: 'MIT' };

const workspaces = ['packages', 'apps', 'examples']
  .flatMap((parent) => readdirSync(join(root, parent)).map((name) => `${parent}/${name}`))
  .filter((dir) => !dir.endsWith('.md'));

const isShipped = (dir) => dir.startsWith('packages/') || dir.startsWith('apps/');

/** The folder of a package that `from` depends on; undefined for one that was not installed, as for another processor. */
function folderOf(name, from) {
  for (let at = from; ; at = dirname(at)) {
    try {
      return realpathSync(join(at, 'node_modules', name));
    } catch {
      if (at === dirname(at)) return undefined;
    }
  }
}

function licenceOf({ name, license, licenses }) {
  if (name in READ_BY_HAND) return READ_BY_HAND[name];
  if (typeof license === 'string') return license;
  return license?.type ?? licenses?.map(({ type }) => type).join(' OR ') ?? 'none';
}

/** Everything that the dependencies of these folders lead to, ours left out: name@version to licence. */
function closure(starts) {
  const found = new Map();
  const seen = new Set();
  const visit = (folder, names) => {
    for (const name of names) {
      const at = folderOf(name, folder);
      if (at === undefined || seen.has(at)) continue;
      seen.add(at);
      const manifest = read(join(at, 'package.json'));
      if (!name.startsWith('@domu/')) found.set(`${manifest.name}@${manifest.version}`, licenceOf(manifest));
      visit(at, Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies }));
    }
  };
  for (const { dir, names } of starts) visit(join(root, dir), names);
  return found;
}

const shipped = closure(
  workspaces.filter(isShipped).map((dir) => ({
    dir,
    names: Object.keys(read(join(root, dir, 'package.json')).dependencies ?? {}),
  })),
);
const all = closure(
  ['.', 'tools', ...workspaces].map((dir) => {
    const { dependencies, devDependencies } = read(join(root, dir, 'package.json'));
    return { dir, names: Object.keys({ ...dependencies, ...devDependencies }) };
  }),
);

/** Packages that are compiled for one processor differ from machine to machine, and have their parent's licence. */
const isNative = (id) => /(linux|darwin|win32|android|freebsd|openharmony|wasm32|wasi|fsevents)/.test(id);
const rows = (map) => [...map].filter(([id]) => !isNative(id)).sort(([a], [b]) => (a < b ? -1 : 1));

const unknown = rows(all).filter(
  ([id, licence]) => !(PERMISSIVE.test(licence) || (FOR_TOOLS.test(licence) && !shipped.has(id))),
);

const table = (entries) =>
  ['| package | licence |', '|---|---|', ...entries.map(([id, licence]) => `| ${id} | ${licence} |`)].join(
    '\n',
  );

const text = `# Licences

domu is under the MIT licence ([LICENSE](../LICENSE)). This page lists what it uses; \`node tools/licences.mjs\` writes it, and
\`npm test\` checks that it is up to date and that every licence may be used. No code of Xen, Linux or other emulators is in this
repository: facts come from their headers and manuals, and guests are fetched or built by whoever runs them.

## Shipped: what packages and the command depend on

${table(rows(shipped))}

The programs of the built-in user space are domu's own, from \`packages/guest-kernel/userland\`.

## Tools: for building, testing and comparing

${table(rows(all).filter(([id]) => !shipped.has(id)))}

Binaries for one processor or system that come with these (of esbuild, turbo, biome, TypeScript and others) have the licence of the
package that they belong to.
`;

let problems = unknown.map(([id, licence]) => `${id}: licence ${licence} is not known to be usable`);
if (!process.argv.includes('--check')) writeFileSync(page, text);
else if (readFileSync(page, 'utf8') !== text)
  problems = [...problems, 'docs/LICENCES.md is out of date: node tools/licences.mjs'];
for (const problem of problems) console.log(problem);
console.log(
  `${problems.length} problems in the licences of ${all.size} packages, ${shipped.size} of them shipped`,
);
process.exitCode = problems.length > 0 ? 1 : 0;
