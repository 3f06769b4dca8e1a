import { execFileSync } from 'node:child_process';
import { linkSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { RawStore } from '../block-store/raw-store.ts';
import { NodeFile } from './node-file.ts';

let dir: string;
let image: string;
const contents = Uint8Array.from({ length: 4 * 512 + 100 }, (_, i) => i * 7);

function openRaw(path: string, options: { readonly readonly: boolean }): RawStore {
  return new RawStore(new NodeFile(path, options));
}

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'domu-'));
  image = join(dir, 'disk.img');
  writeFileSync(image, contents);
});
afterEach(() => rmSync(dir, { recursive: true }));

describe('a raw file', () => {
  test('is read in sectors; a partial last sector does not count', () => {
    const store = openRaw(image, { readonly: true });
    const into = new Uint8Array(1024);
    expect([store.sectors, store.readonly, store.read(1, into)]).toEqual([4, true, true]);
    expect(into).toEqual(contents.slice(512, 1536));
    store.close();
  });
  test('keeps what was written, and only that changes', () => {
    const store = openRaw(image, { readonly: false });
    expect(store.write(2, new Uint8Array(512).fill(9))).toBe(true);
    expect(store.flush()).toBe(true);
    store.close();
    store.close();
    const expected = contents.slice();
    expected.fill(9, 1024, 1536);
    expect(new Uint8Array(readFileSync(image))).toEqual(expected);
  });
  test('opened read-only is not written', () => {
    const store = openRaw(image, { readonly: true });
    expect([store.write(0, new Uint8Array(512)), store.flush()]).toEqual([false, true]);
    store.close();
    expect(new Uint8Array(readFileSync(image))).toEqual(contents);
  });
  test('that fails while in use fails the call and tells why', () => {
    const store = openRaw(image, { readonly: true });
    truncateSync(image, 600);
    expect(store.read(1, new Uint8Array(512))).toBe(false);
    expect(store.lastError?.message).toContain('disk.img');
    store.close();
    expect(store.read(0, new Uint8Array(512))).toBe(false);
  });
  test.each(['none.img', '.'])('cannot be opened when it is %s', (name) => {
    expect(() => new NodeFile(join(dir, name), { readonly: true })).toThrow(/ENOENT|EINVAL|EISDIR/);
  });
});

describe('a file', () => {
  const pieces = (...lengths: number[]): Uint8Array[] =>
    lengths.map((length) => new Uint8Array(length).fill(0xee));

  test('is read into pieces, also more than the system takes at once, and zeros follow its end', () => {
    const file = new NodeFile(image, { readonly: true });
    const into = pieces(...new Array<number>(1200).fill(2));
    expect(file.readPieces(10, into)).toBe(contents.length - 10);
    const all = Buffer.concat(into);
    expect(Buffer.compare(all.subarray(0, contents.length - 10), contents.subarray(10))).toBe(0);
    expect(all.subarray(contents.length - 10).every((byte) => byte === 0)).toBe(true);
    expect([file.read(contents.length, into[0]), [...into[0]]]).toEqual([0, [0, 0]]);
    file.close();
  });
  test('is written from pieces and grows', () => {
    const file = new NodeFile(image, { readonly: false });
    const from = Array.from({ length: 1500 }, (_, i) => new Uint8Array(3).fill(i));
    expect([file.writePieces(2000, from), file.sizeBytes]).toEqual([true, 2000 + 4500]);
    expect(Buffer.compare(readFileSync(image).subarray(2000), Buffer.concat(from))).toBe(0);
    file.close();
    expect([file.writePieces(0, from), file.flush(), file.read(0, from[0])]).toEqual([false, false, -1]);
  });
  test('is the same by whatever name', () => {
    const other = join(dir, 'other.img');
    linkSync(image, other);
    const files = [image, other].map((path) => new NodeFile(path, { readonly: true }));
    expect(files[0].identity).toBe(files[1].identity);
    for (const file of files) file.close();
  });
  test('that is a pipe is refused and not waited for', () => {
    const pipe = join(dir, 'pipe');
    execFileSync('mkfifo', [pipe]);
    expect(() => new NodeFile(pipe, { readonly: true })).toThrow(/EINVAL/);
  });
});
