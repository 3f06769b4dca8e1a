/**
 * Records what a C compiler says about every struct and constant that src/ exports.
 * Usage: tsx packages/xen-abi/test/record-offsets.mjs <xen/include/public of Xen 4.18> <the same of Xen 3.0.3>
 * Needs gcc with 32-bit headers. Writes abi-offsets.json beside this file.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as abi from '../src/index.ts';

const [headers, oldHeaders] = process.argv.slice(2);
if (oldHeaders === undefined)
  throw new Error('give the paths of xen/include/public of Xen 4.18 and of Xen 3.0.3');

const HEADERS = [
  'xen.h',
  'errno.h',
  'event_channel.h',
  'sched.h',
  'vcpu.h',
  'memory.h',
  'grant_table.h',
  'physdev.h',
  'callback.h',
  'nmi.h',
  'version.h',
  'elfnote.h',
  'arch-x86/cpuid.h',
  'io/ring.h',
  'io/console.h',
  'io/xenbus.h',
  'io/xs_wire.h',
  'io/blkif.h',
  'io/netif.h',
];
const PREAMBLE = [
  '#include <stddef.h>',
  '#include <stdint.h>',
  '#include <string.h>',
  '#include <stdio.h>',
  '#include "xen-compat.h"',
  '#undef __XEN_INTERFACE_VERSION__',
  '#define __XEN_INTERFACE_VERSION__ __XEN_LATEST_INTERFACE_VERSION__',
  ...HEADERS.map((header) => `#include "${header}"`),
].join('\n');

/** Gone since Xen 3.0.3, whose headers do not know ours. */
const OLD_STRUCTS = new Set(['xen_translate_gpfn_list']);
const OLD_PREAMBLE = [
  '#include <stddef.h>',
  '#include <stdint.h>',
  '#include <stdio.h>',
  '#include "xen.h"',
  '#include "memory.h"',
].join('\n');

/** C types that are not `struct <name>`. */
const C_TYPES = { grant_entry_v2: 'union grant_entry_v2', sring: 'struct blkif_sring' };
/** The C ring ends in its first slots, which the header declared here leaves out. */
const SKIPPED = new Set(['sring', 'sring.pad']);
/** Not in Xen's public headers. */
const FOREIGN = new Set(['e820entry']);

const structs = Object.values(abi).filter(
  (v) => typeof v === 'object' && v !== null && 'bind' in v && !FOREIGN.has(v.name),
);
const constants = Object.entries(abi)
  .filter(([, v]) => typeof v === 'number')
  .map(([name]) => name);

function fieldPaths(fields, prefix = '') {
  return Object.entries(fields).flatMap(([name, field]) => [
    prefix + name,
    ...('struct' in field ? fieldPaths(field.fields, `${prefix}${name}.`) : []),
  ]);
}

function structProgram(preamble, wanted) {
  const lines = structs.filter(wanted).flatMap((struct) => {
    const type = C_TYPES[struct.name] ?? `struct ${struct.name}`;
    const paths = fieldPaths(struct.fields).filter((path) => !SKIPPED.has(`${struct.name}.${path}`));
    return [
      SKIPPED.has(struct.name) ? '' : `printf("${struct.name} %zu\\n", sizeof(${type}));`,
      ...paths.map((path) => {
        const member = `((${type} *)0)->${path}`;
        return `printf("${struct.name}.${path} %zu %zu\\n", offsetof(${type}, ${path}), sizeof(${member}));`;
      }),
    ];
  });
  return `${preamble}\nint main(void) {\n${lines.join('\n')}\nreturn 0; }\n`;
}

const RINGS = ['blkif', 'netif_tx', 'netif_rx', 'xen_netif_ctrl'];
const RING_PAGES = [1, 2, 4, 8, 16];

function ringProgram() {
  const lines = RINGS.flatMap((ring) => [
    `printf("${ring} first %zu\\n", offsetof(struct ${ring}_sring, ring));`,
    `printf("${ring} stride %zu\\n", sizeof(union ${ring}_sring_entry));`,
    ...RING_PAGES.map(
      (n) => `printf("${ring} slots${n} %u\\n", (unsigned)__CONST_RING_SIZE(${ring}, ${n} * 4096));`,
    ),
  ]);
  return `${PREAMBLE}\nint main(void) {\n${lines.join('\n')}\nreturn 0; }\n`;
}

function constantProgram(names) {
  const lines = names.map((name) => `printf("${name} %lld\\n", (long long)(${name}));`);
  return `${PREAMBLE}\nint main(void) {\n${lines.join('\n')}\nreturn 0; }\n`;
}

const dir = mkdtempSync(join(tmpdir(), 'abi-'));

function compile(source, defines, include = headers) {
  const file = join(dir, 'p.c');
  writeFileSync(file, source);
  const args = ['-m32', '-w', '-fmax-errors=0', ...defines, '-iquote', include, '-o', join(dir, 'p'), file];
  return spawnSync('gcc', args, { encoding: 'utf8', env: { ...process.env, LC_ALL: 'C' } });
}

function run(source, defines, include = headers) {
  const result = compile(source, defines, include);
  if (result.status !== 0) throw new Error(result.stderr);
  const out = execFileSync(join(dir, 'p'), { encoding: 'utf8' });
  return out
    .trim()
    .split('\n')
    .map((line) => line.split(' '));
}

const result = {
  source: 'Xen RELEASE-4.18.0 (d75f1e9b7431), and what is gone since 3.0.3-branched, xen/include/public',
  compiler: execFileSync('gcc', ['--version'], { encoding: 'utf8' }).split('\n')[0],
  structs: {},
  rings: {},
  constants: {},
};

const isOld = (struct) => OLD_STRUCTS.has(struct.name);
for (const [path, ...numbers] of [
  ...run(
    structProgram(PREAMBLE, (struct) => !isOld(struct)),
    [],
  ),
  ...run(structProgram(OLD_PREAMBLE, isOld), [], oldHeaders),
]) {
  const [struct, ...fields] = path.split('.');
  result.structs[struct] ??= { fields: {} };
  if (fields.length === 0) result.structs[struct].size = Number(numbers[0]);
  else result.structs[struct].fields[fields.join('.')] = numbers.map(Number);
}

for (const [ring, key, number] of run(ringProgram(), [])) {
  result.rings[ring] ??= {};
  result.rings[ring][key] = Number(number);
}

// Some sub-operations are only declared for tools.
const tools = ['-D__XEN_TOOLS__'];
const undeclared = new Set(
  [...compile(constantProgram(constants), tools).stderr.matchAll(/'(\w+)' undeclared/g)].map(
    (match) => match[1],
  ),
);
for (const [name, value] of run(constantProgram(constants.filter((name) => !undeclared.has(name))), tools)) {
  result.constants[name] = Number(value);
}
result.notInHeaders = [...undeclared];
rmSync(dir, { recursive: true });
writeFileSync(
  join(import.meta.dirname ?? new URL('.', import.meta.url).pathname, 'abi-offsets.json'),
  `${JSON.stringify(result, null, 2).replace(/\[\s+(\d+),\s+(\d+)\s+\]/g, '[$1, $2]')}\n`,
);
