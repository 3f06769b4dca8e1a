/** docs/SYSCALLS.md, made from the table of system calls. */
import type { CallRow } from '../src/syscall/calls.ts';
import { callTable, LIMITS } from '../src/syscall/table.ts';

const HEAD = `# System calls of the guest kernel

Linux on i386, as \`packages/guest-kernel\` serves it. Made from its table by \`npx tsx packages/guest-kernel/tools/write-syscalls.ts\`;
a test keeps the two together. What is not listed, and what is listed as absent, answers \`-ENOSYS\` and is counted by name.
`;

function row({ number, name, args, support }: CallRow): string {
  return `| ${number} | \`${name}\` | ${args} | ${support === 'none' ? 'absent' : support} | ${LIMITS[name] ?? ''} |`;
}

/** @returns the text of the document */
export function syscallDocument(): string {
  const rows = [...callTable()].sort((a, b) => a.number - b.number);
  const count = (support: CallRow['support']): number =>
    rows.filter((each) => each.support === support).length;
  return [
    HEAD,
    `${count('full')} in full, ${count('partial')} in part, ${count('none')} absent.`,
    '',
    '| nr | call | arguments | support | what is left out |',
    '|---|---|---|---|---|',
    ...rows.map(row),
    '',
  ].join('\n');
}
