import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { DiskImage } from '../src/block-store/disk-image.ts';
import { openImage } from '../src/block-store/open-image.ts';
import { readHeader } from '../src/block-store/qcow2/header.ts';
import { Qcow2Store } from '../src/block-store/qcow2/qcow2-store.ts';
import { NodeFile } from '../src/node/node-file.ts';
import { NodeImages } from '../src/node/node-images.ts';
import { hasQemuImg, qemuCheckFindsNothingButLeaks, qemuImg, qemuIo } from './qemu-img.ts';

const MIB = 1 << 20;
const SIZE = 3 * MIB;
const present = hasQemuImg();
if (!present) console.warn('qcow2 is not compared with QEMU: there is no qemu-img');

let dir: string;
const at = (name: string): string => join(dir, name);

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'domu-qcow2-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

function open(name: string, readonly = false): DiskImage {
  const image = openImage(new NodeImages(), at(name), { format: 'qcow2', readonly });
  if (typeof image === 'string') throw new Error(image);
  return image;
}

/** Bytes that do not repeat and can be packed somewhat. */
function pattern(lengthBytes: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(lengthBytes);
  let state = seed;
  for (let i = 0; i < lengthBytes; i++) {
    if (i % 64 === 0) state = Math.imul(state ^ i, 2654435761) >>> 0;
    bytes[i] = (state >>> (8 * (i & 3))) + (i >>> 4);
  }
  return bytes;
}

function contents(image: DiskImage): Uint8Array {
  const bytes = new Uint8Array(image.sectors * 512);
  if (!image.read(0, bytes)) throw new Error(`reading failed: ${image.lastError}`);
  return bytes;
}

/** What QEMU reads from an image. */
function asQemuReads(name: string): Buffer {
  qemuImg('convert', '-f', 'qcow2', '-O', 'raw', at(name), at('converted.raw'));
  return readFileSync(at('converted.raw'));
}

function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** Writes, and discards, at random places; keeps `model` in step. Throws when the image refuses. */
function scribble(image: DiskImage, model: Uint8Array, steps: number, seed: number): void {
  const next = random(seed);
  for (let i = 0; i < steps; i++) {
    const sectors = 1 + next(next(4) === 0 ? 600 : 20);
    const sector = next(image.sectors - sectors);
    if (next(10) === 0) {
      // What a discarded range reads as is the image's affair.
      if (image.discard?.(sector, sectors) !== true) throw new Error(`discard: ${image.lastError}`);
      const now = new Uint8Array(sectors * 512);
      if (!image.read(sector, now)) throw new Error('read');
      model.set(now, sector * 512);
      continue;
    }
    const bytes = pattern(sectors * 512, seed * 1000 + i);
    const pieces = [bytes.subarray(0, 512), bytes.subarray(512)].filter(({ length }) => length > 0);
    const done = next(2) === 0 ? image.write(sector, bytes) : image.writePieces?.(sector, pieces);
    if (done !== true) throw new Error(`write: ${image.lastError}`);
    model.set(bytes, sector * 512);
  }
}

/** A file that takes some writes and then no more, as when the process is killed. */
class CutOffFile extends NodeFile {
  #left: number;

  constructor(path: string, writes: number) {
    super(path, { readonly: false });
    this.#left = writes;
  }

  override write(offset: number, from: Uint8Array): boolean {
    return this.#left-- > 0 && super.write(offset, from);
  }
}

const CREATED: [string, string][] = [
  ['as qemu-img makes it', 'compat=1.1'],
  ['of version 2', 'compat=0.10'],
  ['with clusters of 512 bytes', 'cluster_size=512'],
  ['with clusters of 2 MiB', 'cluster_size=2M'],
  ['with refcounts of one bit', 'refcount_bits=1,cluster_size=4k'],
  ['with refcounts of 64 bits', 'refcount_bits=64,cluster_size=4k'],
  ['with tables made before', 'preallocation=metadata'],
];

describe.skipIf(!present)('an image', () => {
  test.each(CREATED)(
    '%s: what is written here is what QEMU reads, and it finds nothing wrong',
    (_, options) => {
      qemuImg('create', '-f', 'qcow2', '-o', options, at('a.qcow2'), `${SIZE}`);
      const model = new Uint8Array(SIZE);
      for (let round = 0; round < 2; round++) {
        const image = open('a.qcow2');
        expect(image.sectors).toBe(SIZE / 512);
        scribble(image, model, 80, round + 1);
        expect([Buffer.compare(contents(image), model), image.flush()]).toEqual([0, true]);
        image.close();
        qemuImg('check', '-f', 'qcow2', at('a.qcow2'));
        expect(Buffer.compare(asQemuReads('a.qcow2'), model)).toBe(0);
      }
    },
  );

  test.each([
    ['deflate', 'compression_type=zlib', 'compat=1.1'],
    ['deflate, version 2', 'cluster_size=64k', 'compat=0.10'],
    ['deflate in clusters of 512 bytes', 'compression_type=zlib', 'cluster_size=512'],
    ['zstd', 'compression_type=zstd', 'compat=1.1'],
    ['zstd in clusters of 4 KiB', 'compression_type=zstd', 'cluster_size=4k'],
  ])('compressed by %s is read, and written over', (_, ...options) => {
    const model = pattern(SIZE, 3);
    model.fill(0, MIB, 2 * MIB);
    writeFileSync(at('a.raw'), model);
    qemuImg('convert', '-c', '-f', 'raw', '-O', 'qcow2', '-o', options.join(','), at('a.raw'), at('a.qcow2'));
    expect(statSync(at('a.qcow2')).size).toBeLessThan(SIZE * 1.1);
    const image = open('a.qcow2');
    expect(Buffer.compare(contents(image), model)).toBe(0);
    scribble(image, model, 120, 9);
    expect(Buffer.compare(contents(image), model)).toBe(0);
    image.close();
    qemuImg('check', '-f', 'qcow2', at('a.qcow2'));
    expect(Buffer.compare(asQemuReads('a.qcow2'), model)).toBe(0);
  });

  test('on top of others, of all formats and of other sizes, changes only the topmost', () => {
    const base = pattern(SIZE, 4);
    writeFileSync(at('base.raw'), base.subarray(0, 2 * MIB + 512));
    qemuImg('create', '-f', 'qcow2', '-F', 'raw', '-b', 'base.raw', at('mid.qcow2'), `${SIZE - MIB}`);
    qemuIo(at('mid.qcow2'), 'write -P 0x41 100k 300k', 'write -z 1M 64k');
    qemuImg('create', '-f', 'qcow2', '-F', 'qcow2', '-b', 'mid.qcow2', at('top.qcow2'), `${SIZE}`);
    const model = new Uint8Array(asQemuReads('top.qcow2'));
    const below = [readFileSync(at('base.raw')), readFileSync(at('mid.qcow2'))];
    const image = open('top.qcow2');
    expect(Buffer.compare(contents(image), model)).toBe(0);
    scribble(image, model, 150, 5);
    image.close();
    qemuImg('check', '-f', 'qcow2', at('top.qcow2'));
    expect(Buffer.compare(asQemuReads('top.qcow2'), model)).toBe(0);
    expect(below.map((bytes, i) => bytes.equals(readFileSync(at(['base.raw', 'mid.qcow2'][i]))))).toEqual([
      true,
      true,
    ]);
  });

  test('with snapshots keeps them', () => {
    qemuImg('create', '-f', 'qcow2', '-o', 'cluster_size=4k', at('a.qcow2'), `${SIZE}`);
    qemuIo(at('a.qcow2'), 'write -P 0x11 0 1M', 'write -P 0x22 2M 100k');
    qemuImg('snapshot', '-c', 'before', at('a.qcow2'));
    const before = new Uint8Array(asQemuReads('a.qcow2'));
    const model = before.slice();
    const image = open('a.qcow2');
    scribble(image, model, 200, 6);
    image.close();
    qemuImg('check', '-f', 'qcow2', at('a.qcow2'));
    expect(Buffer.compare(asQemuReads('a.qcow2'), model)).toBe(0);
    qemuImg('snapshot', '-a', 'before', at('a.qcow2'));
    qemuImg('check', '-f', 'qcow2', at('a.qcow2'));
    expect(Buffer.compare(asQemuReads('a.qcow2'), before)).toBe(0);
  });

  test('whose refcount table grows again and again stays in order', () => {
    qemuImg('create', '-f', 'qcow2', '-o', 'cluster_size=512,refcount_bits=64', at('a.qcow2'), '64M');
    const image = open('a.qcow2');
    const model = new Uint8Array(64 * MIB);
    const bytes = pattern(MIB, 8);
    for (let i = 0; i < 20; i++) {
      expect(image.write(i * 3001, bytes)).toBe(true);
      model.set(bytes, i * 3001 * 512);
    }
    image.close();
    qemuImg('check', '-f', 'qcow2', at('a.qcow2'));
    expect(Buffer.compare(asQemuReads('a.qcow2'), model)).toBe(0);
  });

  test.each([1, 2])(
    'that is cut off anywhere in the middle of writing has no cluster with two owners (%i)',
    (seed) => {
      qemuImg('create', '-f', 'qcow2', '-o', 'cluster_size=4k', at('a.qcow2'), `${SIZE}`);
      qemuIo(at('a.qcow2'), 'write -P 0x11 0 1M');
      const next = random(seed);
      const model = new Uint8Array(asQemuReads('a.qcow2'));
      for (let round = 0; round < 10; round++) {
        // What a snapshot shares is copied when it is written: the most that can go wrong.
        qemuImg('snapshot', '-c', `s${round}`, at('a.qcow2'));
        const file = new CutOffFile(at('a.qcow2'), next(40));
        const header = readHeader(file);
        const image = typeof header === 'string' ? header : Qcow2Store.open({ file, header, backing: null });
        if (typeof image === 'string') throw new Error(image);
        for (let i = 0; i < 40; i++) {
          const bytes = pattern((1 + next(30)) * 512, seed * 100 + i);
          const sector = next(2200);
          if (image.write(sector, bytes)) model.set(bytes, sector * 512);
          // What was under way when it was cut off may be there or not.
          else {
            model.fill(0xcc, sector * 512, sector * 512 + bytes.length);
            break;
          }
        }
        image.close();
        qemuCheckFindsNothingButLeaks(at('a.qcow2'));
        const now = asQemuReads('a.qcow2');
        for (let i = 0; i < model.length; i++) if (model[i] === 0xcc) model[i] = now[i];
        expect(now.equals(model)).toBe(true);
      }
    },
  );

  test.each([
    ['an external data file', ['-o', 'data_file=data.raw'], /external data file/],
    ['extended L2 entries', ['-o', 'extended_l2=on,cluster_size=128k'], /extended L2/],
  ])('with %s is refused', (_, options, reason) => {
    const where = options.map((option) => option.replace('data.raw', at('data.raw')));
    qemuImg('create', '-f', 'qcow2', ...where, at('a.qcow2'), '1M');
    const image = openImage(new NodeImages(), at('a.qcow2'), { format: 'qcow2', readonly: false });
    expect(image).toMatch(reason);
  });

  test('that was shortened fails where it is missing, and says so', () => {
    qemuImg('create', '-f', 'qcow2', at('a.qcow2'), `${SIZE}`);
    qemuIo(at('a.qcow2'), 'write -P 1 0 2M');
    truncateSync(at('a.qcow2'), MIB);
    const image = open('a.qcow2', true);
    expect([image.read(0, new Uint8Array(512)), image.read(3000, new Uint8Array(512))]).toEqual([
      true,
      false,
    ]);
    expect(image.lastError?.message).toContain('behind the end of the file');
    image.close();
  });
});
