// Import boundaries: imports go down only; the hypervisor side and the guest side never import each other, not even a
// type; the core runs on any host, so it imports nothing of Node. Type-only imports count like all others.
//
// dependency-cruiser reads the import graph and judges cycles and npm packages; the units are judged here, because a
// table says more than the regular expressions that its rules would need.

import { fileURLToPath } from 'node:url';
import { cruise } from 'dependency-cruiser';
import { objection } from './units.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));

const forbidden = [
  {
    name: 'no import cycles',
    severity: 'error',
    from: {},
    to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
  },
  { name: 'every import resolves', severity: 'error', from: {}, to: { couldNotResolve: true } },
  {
    name: 'every npm package is declared by the package that imports it',
    severity: 'error',
    from: { pathNot: '[.]test[.]ts$|/testing[.]ts$|/test/|/bench/' },
    to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown', 'npm-dev'], dependencyTypesNot: ['type-only'] },
  },
];

const { output } = await cruise(
  ['packages', 'apps'],
  {
    baseDir: root,
    validate: true,
    ruleSet: { forbidden },
    // Before compilation the type-only imports are still there.
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(^|/)dist/' },
  },
  { conditionNames: ['@domu/source', 'node', 'import', 'types', 'default'], exportsFields: ['exports'] },
);

const problems = output.summary.violations.map(({ rule, from, to }) => `${from} -> ${to}\n    ${rule.name}`);
const sources = output.modules.filter(({ source }) => /^(packages|apps)\/.*[.]ts$/.test(source));
for (const { source, dependencies } of sources) {
  for (const { resolved, dependencyTypes } of dependencies) {
    const why = objection(source, resolved, dependencyTypes.includes('core'));
    if (why) problems.push(`${source} -> ${resolved}\n    ${why}`);
  }
}
// Without a TypeScript compiler that it knows, dependency-cruiser sees no .ts file and finds nothing wrong.
if (sources.length === 0) problems.push('no TypeScript file was looked at: the check itself is broken');

for (const problem of problems) console.log(problem);
console.log(`${problems.length} problems in ${sources.length} modules`);
process.exitCode = problems.length > 0 ? 1 : 0;
