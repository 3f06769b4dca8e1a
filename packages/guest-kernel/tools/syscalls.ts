/** docs/SYSCALLS.md, made from the table of system calls. */
import type { CallRow } from '../src/syscall/calls.ts';
import { callTable, LIMITS } from '../src/syscall/table.ts';
import { firstRungs, LADDER } from './ladder.ts';

const HEAD = `# System calls of the guest kernel

Linux on i386, as \`packages/guest-kernel\` serves it. Made from its table by \`npx tsx packages/guest-kernel/tools/write-syscalls.ts\`;
a test keeps the two together. What is not listed, and what is listed as absent, answers \`-ENOSYS\` and is counted by name.
`;

const RUNGS = `## Rungs

Programs that people install, in the order in which they ask more of a kernel. A call's rung is the first whose programs make it;
those above may make it as well, and what has no rung is made by none of them.

| rung | programs | calls that it adds | of those absent |
|---|---|---|---|`;

function row({ number, name, args, support }: CallRow, rung: number | undefined): string {
  const told = support === 'none' ? 'absent' : support;
  return `| ${number} | \`${name}\` | ${args} | ${told} | ${rung ?? ''} | ${LIMITS[name] ?? ''} |`;
}

/** @returns the text of the document */
export function syscallDocument(): string {
  const rows = [...callTable()].sort((a, b) => a.number - b.number);
  const count = (support: CallRow['support']): number =>
    rows.filter((each) => each.support === support).length;
  const absent = new Set(rows.flatMap(({ name, support }) => (support === 'none' ? [name] : [])));
  const first = firstRungs();
  return [
    HEAD,
    `${count('full')} in full, ${count('partial')} in part, ${count('none')} absent.`,
    '',
    '| nr | call | arguments | support | rung | what is left out |',
    '|---|---|---|---|---|---|',
    ...rows.map((each) => row(each, first.get(each.name))),
    '',
    RUNGS,
    ...LADDER.map(({ rung, programs, calls }) => {
      const names = calls.split(' ');
      const missing = names.filter((name) => absent.has(name)).map((name) => `\`${name}\``);
      return `| ${rung} | ${programs} | ${names.length} | ${missing.join(' ')} |`;
    }),
    '',
  ].join('\n');
}
