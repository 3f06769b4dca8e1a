import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type DiskUse, openDisk } from './files.ts';

let dir: string;
let image: string;
const RAW: DiskUse = { format: 'raw', readonly: false, snapshot: false };

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'domu-disk-'));
  image = join(dir, 'disk.img');
  writeFileSync(image, new Uint8Array(8192).fill(1));
});
afterEach(() => rmSync(dir, { recursive: true }));

describe('a disk', () => {
  test('is written to its file', () => {
    const disk = openDisk(image, '--disk', RAW);
    expect([disk.write(1, new Uint8Array(512).fill(7)), disk.flush()]).toEqual([true, true]);
    disk.close();
    expect([readFileSync(image)[511], readFileSync(image)[512]]).toEqual([1, 7]);
  });
  test('with a snapshot keeps its changes to itself', () => {
    const disk = openDisk(image, '--disk', { ...RAW, snapshot: true });
    const into = new Uint8Array(512);
    expect([disk.readonly, disk.write(1, new Uint8Array(512).fill(7)), disk.read(1, into)]).toEqual([
      false,
      true,
      true,
    ]);
    expect(into[0]).toBe(7);
    disk.close();
    expect(readFileSync(image).every((byte) => byte === 1)).toBe(true);
  });
  test('that is read-only stays so with a snapshot', () => {
    const disk = openDisk(image, '--disk', { ...RAW, readonly: true, snapshot: true });
    expect([disk.readonly, disk.write(0, new Uint8Array(512))]).toEqual([true, false]);
    disk.close();
  });
  test.each<[string, DiskUse, RegExp]>([
    [
      'none.img',
      RAW,
      /--disk: .*none\.img cannot be opened for writing \(no such file\); expected a raw disk image/,
    ],
    [
      'none.img',
      { ...RAW, format: 'qcow2', snapshot: true },
      /none\.img cannot be read .*; expected a qcow2 image/,
    ],
    ['.', RAW, /not a regular file|it is a directory/],
    ['disk.img', { ...RAW, format: 'qcow2' }, /--disk: .*disk\.img: not a qcow2 image/],
    ['empty.img', RAW, /holds no sector/],
  ])('%s, used as %j, is refused', (name, use, reason) => {
    writeFileSync(join(dir, 'empty.img'), '');
    expect(() => openDisk(join(dir, name), '--disk', use)).toThrow(reason);
  });
});
