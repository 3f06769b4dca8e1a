import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const SKIPPED = new Set(['node_modules', 'dist', '.git', '.cache', 'api']);

function markdownUnder(dir) {
  return readdirSync(join(root, dir), { withFileTypes: true }).flatMap((entry) => {
    const path = dir === '' ? entry.name : `${dir}/${entry.name}`;
    if (entry.isDirectory()) return SKIPPED.has(entry.name) ? [] : markdownUnder(path);
    return entry.name.endsWith('.md') ? [path] : [];
  });
}

const read = (path) => readFileSync(join(root, path), 'utf8');
const withoutCode = (text) => text.replace(/^```[\s\S]*?^```/gm, '');

/** As GitHub makes it of a heading. */
const anchorOf = (heading) =>
  heading
    .toLowerCase()
    .replace(/[`*]/g, '')
    .replace(/[^\p{L}\p{N}_ -]/gu, '')
    .replaceAll(' ', '-');

const anchorsOf = (text) =>
  [...withoutCode(text).matchAll(/^#+ (.*)$/gm)].map(([, heading]) => anchorOf(heading));

function brokenLinks(path) {
  const text = withoutCode(read(path)).replace(/`[^`]*`/g, '');
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target]) => target)
    .filter((target) => !/^[a-z]+:/.test(target))
    .filter((target) => {
      const [file, anchor] = target.split('#');
      const linked = file === '' ? path : join(dirname(path), file);
      if (!existsSync(join(root, linked))) return true;
      return anchor !== undefined && !anchorsOf(read(linked)).includes(anchor);
    });
}

it.each(markdownUnder(''))('the links of %s lead somewhere', (path) => {
  expect(brokenLinks(path)).toEqual([]);
});

const packages = [...readdirSync(join(root, 'packages')).map((name) => `packages/${name}`), 'apps/runner'];

describe.each(packages)('the README of %s', (dir) => {
  const text = read(`${dir}/README.md`);
  const sections = new Map(
    text
      .split(/^## /m)
      .slice(1)
      .map((section) => [section.slice(0, section.indexOf('\n')), section]),
  );

  it('says its job in one paragraph, then teaches in the order of the house', () => {
    const { name } = JSON.parse(read(`${dir}/package.json`));
    expect(text).toMatch(new RegExp(`^# ${name}\n\n\\S[^#]*?\n\n## Background\n`));
    const order = ['Background', 'Usage', 'Invariants', 'Not supported', 'Sources'];
    expect([...sections.keys()].filter((title) => order.includes(title))).toEqual(order);
  });

  it('has a diagram, and an example', () => {
    expect(sections.get('Background')).toMatch(/^```\n[\s\S]*?(─|--|\|)[\s\S]*?^```$/m);
    expect(sections.get('Usage')).toMatch(dir === 'apps/runner' ? /^```sh$/m : /^```ts run\b/m);
  });
});
