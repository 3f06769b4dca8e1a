import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MemoryBlockStore } from '../memory-block-store.ts';
import { emptyQcow2, MemoryFile, type TestImage } from '../testing.ts';
import { readHeader } from './header.ts';
import { Qcow2Store } from './qcow2-store.ts';

const SIZE = 1 << 20;

function open(file: MemoryFile, base?: Uint8Array): Qcow2Store | string {
  const header = readHeader(file);
  if (typeof header === 'string') return header;
  const backing =
    base === undefined
      ? null
      : Object.assign(new MemoryBlockStore(base, { readonly: true }), { close: () => {} });
  return Qcow2Store.open({ file, header, backing });
}

function image(options: Partial<TestImage> = {}, base?: Uint8Array): { file: MemoryFile; store: Qcow2Store } {
  const file = new MemoryFile(emptyQcow2({ sizeBytes: SIZE, ...options }));
  const store = open(file, base);
  if (typeof store === 'string') throw new Error(store);
  return { file, store };
}

function read(store: Qcow2Store, sector: number, sectors: number): Uint8Array {
  const into = new Uint8Array(sectors * 512).fill(0xee);
  if (!store.read(sector, into)) throw new Error(`${store.lastError}`);
  return into;
}

describe('an image', () => {
  test('that is empty reads as zeros, or as what lies below; behind its end there are zeros', () => {
    expect(read(image().store, 3, 20).every((byte) => byte === 0)).toBe(true);
    const base = new Uint8Array(1000 * 512).fill(5);
    const { store } = image({}, base);
    expect([read(store, 999, 1)[0], read(store, 1000, 1)[0], read(store, 998, 4)[1535]]).toEqual([5, 0, 0]);
  });
  test('keeps what was written over what lies below, sector by sector', () => {
    const base = new Uint8Array(SIZE).fill(5);
    const { store } = image({}, base);
    expect(store.write(9, new Uint8Array(512).fill(1))).toBe(true);
    expect([8, 9, 10].map((sector) => read(store, sector, 1)[0])).toEqual([5, 1, 5]);
    expect(base.every((byte) => byte === 5)).toBe(true);
  });
  test('makes the whole of a disk whose size is no whole cluster readable and writable', () => {
    const { store } = image({ sizeBytes: 5 * 4096 + 512 });
    expect(store.sectors).toBe(41);
    expect(store.write(39, new Uint8Array(1024).fill(2))).toBe(true);
    expect(read(store, 40, 1)[511]).toBe(2);
  });
  test('gives clusters back and takes them again', () => {
    const { file, store } = image();
    store.write(0, new Uint8Array(64 * 512).fill(1));
    const size = file.sizeBytes;
    for (let i = 0; i < 20; i++) {
      expect(store.discard(0, 64)).toBe(true);
      expect(read(store, 0, 64).every((byte) => byte === 0)).toBe(true);
      // Cluster by cluster they come from those that were freed.
      for (let sector = 0; sector < 64; sector += 8) store.write(sector, new Uint8Array(4096).fill(i));
    }
    expect(file.sizeBytes).toBe(size);
  });
  test('discarded over something below reads as zeros where it was written; with version 2 it is left alone', () => {
    const base = new Uint8Array(SIZE).fill(5);
    for (const [version, expected] of [
      [3, [0, 5]],
      [2, [6, 5]],
    ] as const) {
      const { store } = image({ version }, base);
      store.write(8, new Uint8Array(4096).fill(6));
      expect([store.discard(8, 16), [8, 16].map((sector) => read(store, sector, 1)[0])]).toEqual([
        true,
        expected,
      ]);
    }
  });
  test('as large as can be is discarded at once where nothing was written', () => {
    const sizeBytes = 2 ** 40;
    const { file, store } = image({ sizeBytes, clusterBits: 16 });
    store.write(2 ** 30, new Uint8Array(65536).fill(6));
    const size = file.sizeBytes;
    expect([store.discard(0, sizeBytes / 512), read(store, 2 ** 30, 1)[0], file.sizeBytes]).toEqual([
      true,
      0,
      size,
    ]);
  });
  test('opened read-only is not written', () => {
    const file = new MemoryFile(emptyQcow2({ sizeBytes: SIZE }), { readonly: true });
    const store = open(file);
    if (typeof store === 'string') throw new Error(store);
    expect([store.readonly, store.write(0, new Uint8Array(512)), store.discard(0, 8), store.flush()]).toEqual(
      [true, false, false, true],
    );
  });
  test('passes a flush on, and the host’s refusal back', () => {
    const { file, store } = image();
    expect([store.flush(), file.nrFlushed]).toEqual([true, 1]);
    file.failing = true;
    expect([store.flush(), store.read(0, new Uint8Array(512)), store.write(0, new Uint8Array(512))]).toEqual([
      false,
      true,
      false,
    ]);
  });
});

describe('an image is refused', () => {
  const field = (at: number, value: number, more: Partial<TestImage> = {}): string | Qcow2Store => {
    const bytes = emptyQcow2({ sizeBytes: SIZE, ...more });
    new DataView(bytes.buffer).setUint32(at, value);
    return open(new MemoryFile(bytes));
  };
  test.each<[string, number, number, RegExp]>([
    ['magic', 0, 0, /not a qcow2 image/],
    ['version', 4, 4, /version 4/],
    ['cluster_bits', 20, 8, /clusters of 2\^8/],
    ['cluster_bits', 20, 22, /clusters of 2\^22/],
    ['size', 28, 511, /a size of 511/],
    ['size', 24, 0x7fff_ffff, /size of|L1 table of/],
    ['crypt_method', 32, 1, /encrypted/],
    ['l1_size', 36, 0, /L1 table of 0/],
    ['l1_size', 36, 0xffff_ffff, /L1 table of 4294967295/],
    ['l1_table_offset', 44, 0x10_0000, /L1 table lies outside/],
    ['l1_table_offset', 44, 513, /L1 table lies outside/],
    ['refcount_table_offset', 52, 0, /refcount table lies outside/],
    ['refcount_table_offset', 48, 0xffff_ffff, /refcount table lies outside/],
    ['refcount_table_clusters', 56, 0, /refcount table of 0/],
    ['refcount_table_clusters', 56, 0xffff_ffff, /refcount table of 4294967295/],
    ['incompatible_features', 76, 1, /was not closed/],
    ['incompatible_features', 76, 2, /corrupt/],
    ['incompatible_features', 76, 4, /external data file/],
    ['incompatible_features', 76, 16, /extended L2/],
    ['incompatible_features', 76, 32, /not known/],
    ['incompatible_features', 72, 1, /not known/],
    ['refcount_order', 96, 7, /refcounts of 2\^7/],
    ['header_length', 100, 103, /header of 103/],
    ['header_length', 100, 0xffff_ffff, /header of 4294967295/],
    ['backing_file_offset', 12, 0x7000_0000, /name of its backing file/],
  ])('for its field %s at %i = %i', (_, at, value, reason) => {
    expect(field(at, value)).toMatch(reason);
  });
  test('when it is shorter than a header', () => {
    for (const length of [0, 1, 71]) {
      expect(open(new MemoryFile(emptyQcow2({ sizeBytes: SIZE }).slice(0, length)))).toMatch(
        /not a qcow2|outside/,
      );
    }
  });
});

test('bytes changed anywhere in an image make nothing throw, hang, or grow beyond what is written', () => {
  const written = image();
  for (let sector = 0; sector < 400; sector += 40)
    written.store.write(sector, new Uint8Array(9 * 512).fill(sector));
  const good = written.file.bytes;
  const damage = fc.record({
    at: fc.oneof(fc.nat(200), fc.integer({ min: 4096, max: 4096 * 6 }), fc.nat(good.length - 1)),
    bytes: fc.uint8Array({ minLength: 1, maxLength: 9 }),
  });
  fc.assert(
    fc.property(fc.array(damage, { minLength: 1, maxLength: 6 }), fc.nat(good.length), (damages, cut) => {
      const bytes = good.slice(0, cut % 3 === 0 ? cut : good.length);
      for (const { at, bytes: wrong } of damages)
        bytes.set(wrong.subarray(0, Math.max(0, bytes.length - at)), Math.min(at, bytes.length));
      const file = new MemoryFile(bytes);
      const store = open(file);
      if (typeof store === 'string') return;
      for (let sector = 0; sector + 64 <= Math.min(store.sectors, 512); sector += 61) {
        store.read(sector, new Uint8Array(64 * 512));
        store.write(sector, new Uint8Array(20 * 512).fill(7));
        store.discard(sector, 60);
      }
      store.flush();
      expect(file.sizeBytes).toBeLessThan(good.length + (8 << 20));
    }),
    { numRuns: 300, seed: 2 },
  );
});
