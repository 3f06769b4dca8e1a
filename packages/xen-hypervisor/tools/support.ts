import * as abi from '@domu/xen-abi';
import { HYPERCALLS, type HypercallName, MMUEXT } from '@domu/xen-abi';
import { HYPERCALL_TABLE } from '../src/hypercall-table.ts';
import { SUB_OPS } from '../src/sub-ops.ts';
import { XEN_3_0 } from '../src/xen-release.ts';

const HEAD = `# What of Xen is there

Made from the hypercall table by \`npx tsx --conditions=@domu/source packages/xen-hypervisor/tools/write-support.ts\`; do not
edit. **full**: as Xen does it for an unprivileged PV domain, with its errors. **partial**: as far as the note says.
**absent**: every call gives the errno, which is Xen's answer to such a domain. The last column is for translated domains,
which see Xen 3.0.3: what that release did not have is refused there with \`-XEN_ENOSYS\`; all other columns are Xen 4.18.

| nr | hypercall, sub-operation | level | note | Xen 3.0.3 |
| -: | --- | --- | --- | --- |
`;

/** Sub-operations of a hypercall by name; none when it has no such thing. */
export function subOperations(name: HypercallName): [string, number][] {
  if (name === 'mmuext_op') return Object.entries(MMUEXT);
  const [first] = HYPERCALLS[name].args as readonly abi.HypercallArg[];
  return first?.kind === 'enum' ? Object.entries(first.values ?? {}) : [];
}

/** The text of docs/SUPPORT.md. */
export function supportDocument(): string {
  const names = (Object.keys(HYPERCALLS) as HypercallName[]).sort(
    (a, b) => HYPERCALLS[a].nr - HYPERCALLS[b].nr,
  );
  return HEAD + names.flatMap(rowsOf).join('');
}

function rowsOf(name: HypercallName): string[] {
  const { nr } = HYPERCALLS[name];
  const binding = HYPERCALL_TABLE[name];
  const note = [
    ...('note' in binding ? [binding.note] : []),
    ...(binding.support === 'absent' ? [errno(binding.errno)] : []),
  ];
  const highest = XEN_3_0.highestCmd[nr];
  const rows = [
    row(
      nr,
      `**${name}**`,
      binding.support,
      note.join('; '),
      yesNo(binding.support !== 'absent' && highest >= 0),
    ),
  ];
  for (const [op, cmd] of subOperations(name)) {
    const special = SUB_OPS[name]?.[op];
    const notes =
      special === undefined
        ? []
        : [special.note, ...(special.support === 'absent' ? [errno(special.errno)] : [])];
    const support = special?.support ?? binding.support;
    const old = support !== 'absent' && isInXen3(name, cmd);
    rows.push(row(cmd, op, support, notes.join('; '), yesNo(old)));
  }
  return rows;
}

const yesNo = (yes: boolean): string => (yes ? 'yes' : 'no');

function isInXen3(name: HypercallName, cmd: number): boolean {
  if (name === 'mmuext_op') return cmd <= XEN_3_0.highestMmuextCmd;
  if (name === 'memory_op') return !XEN_3_0.missingMemoryOps.has(cmd);
  return cmd <= XEN_3_0.highestCmd[HYPERCALLS[name].nr];
}

const row = (...cells: readonly (string | number)[]): string => `| ${cells.join(' | ')} |\n`;

function errno(value: number): string {
  const found = Object.entries(abi).find(
    ([name, number]) => /^XEN_E[A-Z0-9]+$/.test(name) && number === value,
  );
  return `\`-${found?.[0] ?? value}\``;
}
