import type { FileKind, ImageReport } from '@domu/toolstack';
import type { Colours } from '../terminal/colours.ts';
import { regionsOf } from './regions.ts';

const PAGE_BYTES = 4096;
const MAX_SEGMENTS = 12;

const KINDS: Readonly<Record<FileKind, string>> = {
  empty: 'an empty file',
  elf: 'an ELF file',
  bzimage: 'a Linux bzImage',
  compressed: 'a compressed file',
  script: 'a script',
  text: 'text',
  cpio: 'a cpio archive',
  tar: 'a tar archive',
  deb: 'a Debian package',
  zip: 'a zip archive',
  pe: 'a PE file (Windows, EFI)',
  qcow2: 'a qcow2 disk image',
  ext: 'a disk image with an ext2, ext3 or ext4 file system',
  iso9660: 'a CD-ROM image',
  'boot-sector': 'a disk image with a boot sector',
  data: 'data of an unknown kind',
};

/**
 * A report for people.
 * @param configuration the xl.cfg file that names the image, or null
 */
export function reportText(
  file: string,
  configuration: string | null,
  report: ImageReport,
  colours: Colours,
): string {
  const { boot } = report;
  const titled = (title: string, lines: readonly string[]): string[] =>
    lines.length === 0 ? [] : ['', colours.bold(title), ...lines.map((line) => `  ${line}`)];
  const run = `domu run ${configuration ?? file}`;
  const verdict = boot.ok
    ? [`${colours.green('boots here')}: ${run}`]
    : [`${colours.red('does not boot here')}: ${boot.why}`, `${colours.bold('what to do')}: ${boot.advice}`];
  return [
    ...(configuration === null ? [] : [`${configuration}: an xl.cfg file; its kernel is`]),
    `${colours.bold(file)}: ${headline(report)}`,
    ...verdict,
    ...titled('File', fileLines(report)),
    ...titled('ELF', elfLines(report)),
    ...titled('What it says to Xen', xenLines(report)),
    ...titled('Features', featureLines(report)),
    ...titled('Memory', memoryLines(report)),
    '',
  ].join('\n');
}

function headline({ kind, interpreter, linux, packed, elf, xen }: ImageReport): string {
  const parts = [KINDS[kind]];
  if (interpreter !== null) parts[0] += ` for ${interpreter}`;
  if (linux !== null && linux.version !== '') parts[0] += `, ${linux.version.split(' ')[0]}`;
  if (packed !== null) parts.push(`${packed.compression} with ${KINDS[packed.kind]} in it`);
  if (elf !== null) parts.push(`${elf.bits}-bit ${elf.machine} ${elf.type}`);
  const guest = xen?.notes.find(({ name }) => name === 'GUEST_OS');
  if (guest) parts.push(`"${guest.value}" for Xen`);
  return parts.join(', ');
}

function fileLines({ bytes, linux, packed, kind }: ImageReport): string[] {
  const rows: [string, string][] = [['size', sizeText(bytes)]];
  if (linux !== null) {
    rows.push(['boot protocol', linux.protocol], ['version', linux.version || 'does not say']);
    rows.push(['for', linux.is64Bit ? 'x86-64' : 'i386']);
  }
  if (packed !== null)
    rows.push([
      kind === 'bzimage' ? 'payload' : 'content',
      `${packed.compression}, ${sizeText(packed.bytes)} unpacked`,
    ]);
  return table(rows);
}

function elfLines({ elf }: ImageReport): string[] {
  if (elf === null) return [];
  const rows: [string, string][] = [
    ['class', `${elf.bits}-bit, ${elf.endianness}-endian`],
    ['machine', elf.machine],
    ['type', elf.type],
    ['entry point', elf.entry],
  ];
  if (elf.interpreter !== null) rows.push(['interpreter', elf.interpreter.replace(/[^\x20-\x7e]/g, '?')]);
  const segments = elf.segments
    .slice(0, MAX_SEGMENTS)
    .map(({ type, offset, address, fileBytes, memoryBytes, access }) => [
      'segment',
      `${type.padEnd(9)} ${access}  at ${address}, ${sizeText(memoryBytes)} (${sizeText(fileBytes)} in the file at ${offset})`,
    ]) as [string, string][];
  const more = elf.segments.length - segments.length;
  return table([...rows, ...segments, ...(more > 0 ? [['', `and ${more} more`] as [string, string]] : [])]);
}

function xenLines({ elf, xen }: ImageReport): string[] {
  if (elf === null) return [];
  if (xen === null) return ['nothing: no ELF notes of owner "Xen" and no section __xen_guest'];
  const where =
    xen.source === 'notes' ? 'in ELF notes' : 'in the section __xen_guest, as before Xen had notes';
  return [where, ...table(xen.notes.map(({ name, value }) => [name, value]))];
}

function featureLines({ xen }: ImageReport): string[] {
  if (xen === null) return [];
  const rows = xen.features.map(({ name, required, supported, offered }): [string, string] => {
    const says = required ? 'required' : supported ? 'supported' : 'not used';
    return [
      name,
      `${says.padEnd(9)}  ${offered ? 'offered' : 'not offered'}${required && !offered ? ' !' : ''}`,
    ];
  });
  const unknown = xen.unknownRequired.map((name): [string, string] => [name, 'required   unknown to Xen !']);
  return table([['', 'kernel     here'], ...rows, ...unknown]);
}

function memoryLines({ plan }: ImageReport): string[] {
  if (plan === null) return [];
  const { layout, memoryMiB, paging } = plan;
  const levels = layout.mode === 'pae' ? '3-level page tables (PAE)' : '2-level page tables';
  const hex = (value: number): string => value.toString(16).padStart(8, '0');
  const regions = regionsOf(layout).map(({ name, pfn, pages, va }) => {
    const end = va + pages * PAGE_BYTES - 1;
    return `${hex(va)}-${hex(end)}  ${`pfn ${pfn}`.padEnd(10)} ${`${pages} page${pages === 1 ? '' : 's'}`.padEnd(12)} ${name}`;
  });
  return [
    `${memoryMiB} MiB, ${paging} paging, ${levels}, the first ${sizeText(layout.mappedPages * PAGE_BYTES)} mapped`,
    ...regions,
  ];
}

function table(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`.trimEnd());
}

const UNITS = ['bytes', 'KiB', 'MiB', 'GiB'];

function sizeText(bytes: number): string {
  const unit = Math.min(UNITS.length - 1, bytes < 10_000 ? 0 : Math.floor(Math.log2(bytes) / 10));
  const value = bytes / 1024 ** unit;
  return `${unit === 0 ? value : value.toFixed(1)} ${UNITS[unit]}`;
}
