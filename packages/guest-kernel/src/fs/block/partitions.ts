/** Partition tables: MBR with logical partitions, and GPT. Source: UEFI specification 2.10 section 5; Linux block/partitions. */
import type { Op } from '../../task/wait.ts';
import type { BlockDevice } from '../types.ts';

/** A part of a disk, in sectors of 512 bytes. */
export interface Partition {
  /** As in xvda1. */
  readonly number: number;
  readonly start: number;
  readonly sectors: number;
}

const MAX_PARTITIONS = 256;
/** Partition types that contain others. */
const EXTENDED: ReadonlySet<number> = new Set([0x05, 0x0f, 0x85]);
const GPT_PROTECTIVE = 0xee;

/** @returns none for a disk without a table, or with one that makes no sense */
export function* readPartitions(disk: BlockDevice): Op<readonly Partition[]> {
  const sector = yield* readSector(disk, 0);
  if (sector === undefined || sector.getUint16(510, true) !== 0xaa55) return [];
  const entries = mbrEntries(sector);
  if (entries === undefined) return [];
  if (entries.some(({ type }) => type === GPT_PROTECTIVE)) {
    const gpt = yield* readGpt(disk);
    if (gpt !== undefined) return gpt;
  }
  const found: Partition[] = [];
  for (const [index, { type, start, sectors }] of entries.entries()) {
    if (type === 0 || sectors === 0 || start >= disk.sectors) continue;
    found.push({ number: index + 1, start, sectors: Math.min(sectors, disk.sectors - start) });
    if (EXTENDED.has(type)) found.push(...(yield* readLogical(disk, start)));
  }
  return found;
}

interface MbrEntry {
  readonly type: number;
  readonly start: number;
  readonly sectors: number;
}

/** @returns undefined if the boot flags say that this is no table (a file system's boot sector) */
function mbrEntries(sector: DataView): MbrEntry[] | undefined {
  const entries: MbrEntry[] = [];
  for (let at = 446; at < 510; at += 16) {
    if ((sector.getUint8(at) & 0x7f) !== 0) return undefined;
    const type = sector.getUint8(at + 4);
    entries.push({ type, start: sector.getUint32(at + 8, true), sectors: sector.getUint32(at + 12, true) });
  }
  return entries;
}

/** Logical partitions are a chain of tables of two entries: the partition, and the next table. */
function* readLogical(disk: BlockDevice, extended: number): Op<Partition[]> {
  const found: Partition[] = [];
  let table = extended;
  while (found.length < MAX_PARTITIONS) {
    const sector = yield* readSector(disk, table);
    if (sector === undefined || sector.getUint16(510, true) !== 0xaa55) return found;
    const entries = mbrEntries(sector) ?? [];
    const own = entries.find(({ type, sectors }) => type !== 0 && sectors !== 0 && !EXTENDED.has(type));
    if (own !== undefined) {
      const start = table + own.start;
      if (start >= disk.sectors) return found;
      found.push({ number: 5 + found.length, start, sectors: Math.min(own.sectors, disk.sectors - start) });
    }
    const next = entries.find(({ type }) => EXTENDED.has(type));
    if (next === undefined || own === undefined) return found;
    table = extended + next.start;
  }
  return found;
}

function* readGpt(disk: BlockDevice): Op<Partition[] | undefined> {
  const header = (yield* gptHeader(disk, 1)) ?? (yield* gptHeader(disk, disk.sectors - 1));
  if (header === undefined) return undefined;
  const { entriesAt, count, entryBytes } = header;
  const bytes = new Uint8Array(Math.ceil((count * entryBytes) / 512) * 512);
  if ((yield* disk.read(entriesAt, bytes)) < 0) return undefined;
  const view = new DataView(bytes.buffer);
  const found: Partition[] = [];
  for (let index = 0; index < count; index++) {
    const at = index * entryBytes;
    const unused = view.getBigUint64(at, true) === 0n && view.getBigUint64(at + 8, true) === 0n;
    const start = Number(view.getBigUint64(at + 32, true));
    const last = Number(view.getBigUint64(at + 40, true));
    if (unused || last < start || last >= disk.sectors) continue;
    found.push({ number: index + 1, start, sectors: last - start + 1 });
  }
  return found;
}

function* gptHeader(
  disk: BlockDevice,
  lba: number,
): Op<{ entriesAt: number; count: number; entryBytes: number } | undefined> {
  const sector = yield* readSector(disk, lba);
  if (sector === undefined || sector.getBigUint64(0, true) !== 0x5452_4150_2049_4645n) return undefined;
  const headerBytes = sector.getUint32(12, true);
  if (headerBytes < 92 || headerBytes > 512) return undefined;
  const bytes = new Uint8Array(sector.buffer.slice(0, headerBytes));
  bytes.fill(0, 16, 20);
  if (crc32(bytes) !== sector.getUint32(16, true)) return undefined;
  const entriesAt = Number(sector.getBigUint64(72, true));
  const count = Math.min(sector.getUint32(80, true), MAX_PARTITIONS);
  const entryBytes = sector.getUint32(84, true);
  if (entryBytes < 128 || entryBytes > 4096 || entriesAt >= disk.sectors) return undefined;
  return { entriesAt, count, entryBytes };
}

function* readSector(disk: BlockDevice, sector: number): Op<DataView | undefined> {
  if (sector < 0 || sector >= disk.sectors) return undefined;
  const bytes = new Uint8Array(512);
  return (yield* disk.read(sector, bytes)) < 0 ? undefined : new DataView(bytes.buffer);
}

/** CRC-32 as in Ethernet. */
function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}
