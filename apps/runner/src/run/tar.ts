import type { ArchiveMember } from '@domu/guest-kernel';

const BLOCK = 512;
const TYPES: Readonly<Record<string, number>> = {
  '\0': 0o100_000,
  '0': 0o100_000,
  '1': 0o100_000,
  '2': 0o120_000,
  '3': 0o020_000,
  '4': 0o060_000,
  '5': 0o040_000,
  '6': 0o010_000,
};
const HARD_LINK = '1';
const SYMLINK = '2';
const PAX = 'x';
const GNU_LONG_NAME = 'L';
const GNU_LONG_LINK = 'K';

/**
 * Members of a tar archive: ustar, with the long names of pax and GNU. A hard link becomes a copy.
 * Throws an Error with what is wrong
 */
export function readTar(bytes: Buffer): ArchiveMember[] {
  const members: ArchiveMember[] = [];
  const contents = new Map<string, Uint8Array>();
  let long: { name?: string; link?: string } = {};
  for (let at = 0; at + BLOCK <= bytes.length && bytes[at] !== 0; ) {
    const header = bytes.subarray(at, at + BLOCK);
    const size = number(header, 124, 12);
    const data = bytes.subarray(at + BLOCK, at + BLOCK + size);
    if (data.length < size) throw new Error('the archive is cut short');
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK;
    const type = String.fromCharCode(header[156]);
    if (type === PAX) long = { ...long, ...paxNames(data) };
    else if (type === GNU_LONG_NAME) long.name = text(data, 0, size);
    else if (type === GNU_LONG_LINK) long.link = text(data, 0, size);
    else {
      const name = (long.name ?? ustarName(header)).replace(/^(?:\.?\/)+|\/+$/g, '');
      const link = long.link ?? text(header, 157, 100);
      long = {};
      if (name === '' || name === '.' || TYPES[type] === undefined) continue;
      const mode = TYPES[type] | (number(header, 100, 8) & 0o7777);
      const content =
        type === SYMLINK ? Buffer.from(link) : type === HARD_LINK ? contents.get(trim(link)) : data;
      const rdev = { major: number(header, 329, 8), minor: number(header, 337, 8) };
      const isDevice = type === '3' || type === '4';
      members.push({ name, mode, ...(content ? { data: content } : {}), ...(isDevice ? { rdev } : {}) });
      if (content && type !== SYMLINK) contents.set(name, content);
    }
  }
  return members;
}

const trim = (name: string): string => name.replace(/^(?:\.?\/)+/, '');

function ustarName(header: Buffer): string {
  const prefix = text(header, 345, 155);
  const name = text(header, 0, 100);
  return prefix === '' ? name : `${prefix}/${name}`;
}

/** "LENGTH key=value\n" records. */
function paxNames(data: Buffer): { name?: string; link?: string } {
  const names: { name?: string; link?: string } = {};
  for (let at = 0; at < data.length; ) {
    const space = data.indexOf(0x20, at);
    const length = Number(data.toString('latin1', at, space));
    if (space < 0 || !(length > 0)) break;
    const [key, ...value] = data.toString('latin1', space + 1, at + length - 1).split('=');
    if (key === 'path') names.name = value.join('=');
    else if (key === 'linkpath') names.link = value.join('=');
    at += length;
  }
  return names;
}

function text(from: Buffer, at: number, length: number): string {
  return from.toString('latin1', at, at + length).replace(/\0.*$/s, '');
}

/** Octal, or GNU's base 256 for what does not fit. */
function number(from: Buffer, at: number, length: number): number {
  if (from[at] & 0x80) return from.subarray(at + 1, at + length).reduce((sum, byte) => sum * 256 + byte, 0);
  return Number.parseInt(text(from, at, length).trim() || '0', 8);
}
