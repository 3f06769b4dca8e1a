import type { DomainStats, MachineStats } from '../control/stats.ts';
import type { Colours } from '../terminal/colours.ts';

const NS_PER_SECOND = 1e9;
/** Together they fit into 80 columns. */
const WIDTHS = [3, 12, 8, 5, 5, 6, 6, 6, 6, 6, 6] as const;
const NAME_COLUMN = 1;
const TITLES = [
  'ID',
  'NAME',
  'STATE',
  'MEM',
  'CPU%',
  'EXIT/s',
  'CALL/s',
  'READ/s',
  'WRIT/s',
  'SENT/s',
  'RECV/s',
];

/**
 * What happened between two looks at a machine, as a table.
 * @param title "4711 (debian)"
 * @param columns width of the terminal; longer lines are cut
 */
export function topTable(
  title: string,
  before: MachineStats,
  now: MachineStats,
  { columns, colours }: { readonly columns: number; readonly colours: Colours },
): string[] {
  const seconds = (now.ns - before.ns) / NS_PER_SECOND;
  const cut = (line: string): string => (line.length > columns ? line.slice(0, columns) : line);
  const rate = (count: number): number => (seconds > 0 ? count / seconds : 0);
  const instructions = rate(now.instructions - before.instructions) / 1e6;
  const clock = now.virtualClock ? 'virtual' : 'host';
  const lines = [
    cut(
      `machine ${title}  ${(now.ns / NS_PER_SECOND).toFixed(1)} s (${clock} clock)  ${instructions.toFixed(1)} Minsn/s  ${number(rate(now.contextSwitches - before.contextSwitches))} switches/s`,
    ),
    colours.inverse(cut(row(TITLES).padEnd(Math.min(columns, TABLE_WIDTH)))),
  ];
  for (const domain of now.domains) {
    const old = before.domains.find(({ domid }) => domid === domain.domid) ?? null;
    lines.push(...domainRows(domain, old, { seconds, rate }).map(cut));
  }
  if (now.domains.length === 0) lines.push('no guest');
  return lines;
}

const TABLE_WIDTH = WIDTHS.reduce((sum, width) => sum + width + 1, -1);

function domainRows(
  now: DomainStats,
  before: DomainStats | null,
  { seconds, rate }: { readonly seconds: number; readonly rate: (count: number) => number },
): string[] {
  const vcpus = now.vcpus.map((vcpu, i) => {
    const old = before?.vcpus[i];
    return {
      name: `  vcpu ${vcpu.id}`,
      state: vcpu.state,
      share: seconds > 0 ? (vcpu.ranNs - (old?.ranNs ?? 0)) / NS_PER_SECOND / seconds : 0,
      exits: rate(vcpu.exits - (old?.exits ?? 0)),
      hypercalls: rate(vcpu.hypercalls - (old?.hypercalls ?? 0)),
    };
  });
  const sum = (of: 'share' | 'exits' | 'hypercalls'): number =>
    vcpus.reduce((all, vcpu) => all + vcpu[of], 0);
  const moved = [
    total(now.disks, 'readBytes') - total(before?.disks ?? [], 'readBytes'),
    total(now.disks, 'writtenBytes') - total(before?.disks ?? [], 'writtenBytes'),
    total(now.vifs, 'sentBytes') - total(before?.vifs ?? [], 'sentBytes'),
    total(now.vifs, 'receivedBytes') - total(before?.vifs ?? [], 'receivedBytes'),
  ].map((bytes) => number(rate(bytes)));
  const { domid, name, state, memoryMiB } = now;
  const share = (value: number): string => (100 * value).toFixed(1);
  const first = [`${domid}`, name, state, `${memoryMiB}M`, share(sum('share')), number(sum('exits'))];
  return [
    row([...first, number(sum('hypercalls')), ...moved]),
    ...vcpus.map((vcpu) =>
      row(['', vcpu.name, vcpu.state, '', share(vcpu.share), number(vcpu.exits), number(vcpu.hypercalls)]),
    ),
  ];
}

function total<K extends string>(items: readonly Readonly<Record<K, number>>[], key: K): number {
  return items.reduce((sum, item) => sum + item[key], 0);
}

function row(cells: readonly string[]): string {
  return cells
    .map((cell, i) =>
      i === NAME_COLUMN ? cell.slice(0, WIDTHS[i]).padEnd(WIDTHS[i]) : cell.padStart(WIDTHS[i]),
    )
    .join(' ')
    .trimEnd();
}

/** At most six characters: 0, 999, 12.3k, 4.56M. */
function number(value: number): string {
  const units = ['', 'k', 'M', 'G', 'T'];
  let unit = 0;
  let rest = Math.max(0, value);
  for (; rest >= 999.5 && unit < units.length - 1; rest /= 1000) unit++;
  if (unit === 0) return String(Math.round(rest));
  return `${rest.toFixed(rest < 9.995 ? 2 : rest < 99.95 ? 1 : 0)}${units[unit]}`;
}
