// The API reference, made from docstrings: `npx -y pnpm@10.34.9 docs` writes it to docs/api (ignored by git).
// With --check nothing is written: it fails where an export has no docstring, or typedoc finds one that does not fit its code.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Application, Logger, LogLevel, ReflectionKind } from 'typedoc';

const root = fileURLToPath(new URL('..', import.meta.url));
const check = process.argv.includes('--check');

/** Collects what typedoc has to say. */
class Messages extends Logger {
  texts = [];

  log(message, level) {
    if (level >= LogLevel.Warn) this.texts.push(message);
  }
}

function entryPoints() {
  return readdirSync(join(root, 'packages')).flatMap((name) => {
    const { exports } = JSON.parse(readFileSync(join(root, 'packages', name, 'package.json'), 'utf8'));
    const sources = Object.values(exports).map((targets) => targets['@domu/source']);
    return sources.filter(Boolean).map((source) => join(root, 'packages', name, source));
  });
}

/** A number of a header: it is called what the header calls it, and the header says what it is. */
const isHeadersNumber = ({ kind, name }) =>
  kind === ReflectionKind.Variable && /^_*[A-Z][A-Za-z0-9]*_\w+$|^[A-Z][A-Z0-9]+$|^XenbusState/.test(name);

const isDocumented = (reflection) =>
  reflection.hasComment() || (reflection.signatures ?? []).some((signature) => signature.hasComment());

/** Exports without a docstring, as `package: name`. What a module hands on from another one is documented there. */
function undocumented(project) {
  return project.getReflectionsByKind(ReflectionKind.Module).flatMap((module) =>
    (module.children ?? [])
      .filter(({ kind }) => kind !== ReflectionKind.Reference)
      .filter((reflection) => !isHeadersNumber(reflection) && !isDocumented(reflection))
      .map(({ name }) => `${module.name}: ${name} has no docstring`),
  );
}

const messages = new Messages();
const app = await Application.bootstrap({
  name: 'domu',
  tsconfig: join(root, 'tools', 'tsconfig.api.json'),
  entryPoints: entryPoints(),
  entryPointStrategy: 'resolve',
  readme: 'none',
  excludePrivate: true,
  excludeInternal: true,
  disableGit: true,
  disableSources: true,
  // WebAssembly and the like: what every host has.
  intentionallyNotExported: ['types/host.d.ts:WebAssembly.Memory'],
  skipErrorChecking: true,
  validation: { notExported: true, invalidLink: true, notDocumented: false },
});
app.logger = messages;
const project = await app.convert();
if (project === undefined) throw new Error(messages.texts.join('\n'));
app.validate(project);
// Modules are called as they are imported: "@domu/xenstore/client", not "xenstore/src/client".
for (const module of project.getReflectionsByKind(ReflectionKind.Module))
  module.name = `@domu/${module.name.replace('/src', '')}`;
const problems = [...messages.texts, ...undocumented(project)];
if (!check) await app.generateDocs(project, join(root, 'docs', 'api'));
for (const text of problems) console.log(text);
const nrExports = project
  .getReflectionsByKind(ReflectionKind.Module)
  .flatMap(({ children = [] }) => children);
console.log(`${problems.length} problems in the docstrings of ${nrExports.length} exports`);
process.exitCode = problems.length > 0 ? 1 : 0;
