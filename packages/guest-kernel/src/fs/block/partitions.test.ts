import { describe, expect, it } from 'vitest';
import { MemoryDisk, TestWorld } from '../testing.ts';
import { readPartitions } from './partitions.ts';

/** Puts an entry of an MBR or EBR. */
function entry(
  bytes: Uint8Array,
  sector: number,
  slot: number,
  type: number,
  start: number,
  sectors: number,
): void {
  const view = new DataView(bytes.buffer);
  const at = sector * 512 + 446 + 16 * slot;
  view.setUint8(at + 4, type);
  view.setUint32(at + 8, start, true);
  view.setUint32(at + 12, sectors, true);
  view.setUint16(sector * 512 + 510, 0xaa55, true);
}

function partitions(bytes: Uint8Array): unknown {
  return readPartitions(new MemoryDisk(bytes)).next('event').value;
}

function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

describe('partition tables', () => {
  it('of the MBR: primary ones, and a chain of logical ones from number 5', () => {
    const bytes = new Uint8Array(512 * 1000);
    entry(bytes, 0, 0, 0x83, 10, 90);
    entry(bytes, 0, 1, 0x05, 100, 800);
    entry(bytes, 100, 0, 0x83, 1, 50);
    entry(bytes, 100, 1, 0x05, 200, 100);
    entry(bytes, 300, 0, 0x83, 1, 9999);
    expect(partitions(bytes)).toEqual([
      { number: 1, start: 10, sectors: 90 },
      { number: 2, start: 100, sectors: 800 },
      { number: 5, start: 101, sectors: 50 },
      { number: 6, start: 301, sectors: 699 },
    ]);
  });

  it('a chain that leads back to itself ends', () => {
    const bytes = new Uint8Array(512 * 1000);
    entry(bytes, 0, 0, 0x05, 100, 800);
    entry(bytes, 100, 0, 0x83, 1, 50);
    entry(bytes, 100, 1, 0x05, 0, 100);
    expect((partitions(bytes) as unknown[]).length).toBeLessThan(300);
  });

  it('of a GPT, if its checksum is right', () => {
    const bytes = new Uint8Array(512 * 1000);
    entry(bytes, 0, 0, 0xee, 1, 999);
    const view = new DataView(bytes.buffer);
    view.setBigUint64(512, 0x5452_4150_2049_4645n, true);
    view.setUint32(512 + 12, 92, true);
    view.setBigUint64(512 + 72, 2n, true);
    view.setUint32(512 + 80, 4, true);
    view.setUint32(512 + 84, 128, true);
    view.setBigUint64(1024 + 128, 1n, true);
    view.setBigUint64(1024 + 128 + 32, 40n, true);
    view.setBigUint64(1024 + 128 + 40, 139n, true);
    view.setUint32(512 + 16, crc32(bytes.slice(512, 512 + 92)), true);
    expect(partitions(bytes)).toEqual([{ number: 2, start: 40, sectors: 100 }]);
    bytes[512 + 30] = 1;
    expect(partitions(bytes)).toEqual([{ number: 1, start: 1, sectors: 999 }]);
  });

  it('none on an empty disk, or on a boot sector that is none', () => {
    expect(partitions(new Uint8Array(5120))).toEqual([]);
    const bytes = new Uint8Array(5120).fill(0x55);
    bytes.set([0x55, 0xaa], 510);
    expect(partitions(bytes)).toEqual([]);
  });
});

describe('disks', () => {
  it('appear in /dev with their partitions, are read and written through the cache, and go', () => {
    const world = new TestWorld();
    const task = world.task();
    task.call('mkdir', '/dev', 0o755);
    task.call('mount', 'dev', '/dev', 'devtmpfs', 0, 0);
    const disk = new MemoryDisk(new Uint8Array(512 * 1000));
    entry(disk.bytes, 0, 0, 0x83, 10, 90);
    world.side.disks.add('xvda', disk).next('event');
    expect((task.names('/dev') as string[]).filter((name) => name.startsWith('xvd'))).toEqual([
      'xvda',
      'xvda1',
    ]);
    const fd = task.call('open', '/dev/xvda1', 2);
    expect(task.call('lseek', fd, 0, 2)).toBe(90 * 512);
    expect(task.writeText(fd, 'beyond')).toBe(-28);
    task.call('lseek', fd, 1000, 0);
    expect(task.writeText(fd, 'hello')).toBe(5);
    expect(disk.writes).toBe(0);
    task.call('fsync', fd);
    expect(String.fromCharCode(...disk.bytes.subarray(10 * 512 + 1000, 10 * 512 + 1005))).toBe('hello');
    task.call('close', fd);
    world.side.disks.remove('xvda');
    expect(task.call('open', '/dev/xvda1', 0)).toBe(-2);
  });
});
