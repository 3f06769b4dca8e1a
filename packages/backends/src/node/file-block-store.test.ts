import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FileBlockStore } from './file-block-store.ts';

let dir: string;
let image: string;
const contents = Uint8Array.from({ length: 4 * 512 + 100 }, (_, i) => i * 7);

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'domu-'));
  image = join(dir, 'disk.img');
  writeFileSync(image, contents);
});
afterEach(() => rmSync(dir, { recursive: true }));

describe('a raw file', () => {
  test('is read in sectors; a partial last sector does not count', () => {
    const store = new FileBlockStore(image, { readonly: true });
    const into = new Uint8Array(1024);
    expect([store.sectors, store.readonly, store.read(1, into)]).toEqual([4, true, true]);
    expect(into).toEqual(contents.slice(512, 1536));
    store.close();
  });
  test('keeps what was written, and only that changes', () => {
    const store = new FileBlockStore(image, { readonly: false });
    expect(store.write(2, new Uint8Array(512).fill(9))).toBe(true);
    expect(store.flush()).toBe(true);
    store.close();
    store.close();
    const expected = contents.slice();
    expected.fill(9, 1024, 1536);
    expect(new Uint8Array(readFileSync(image))).toEqual(expected);
  });
  test('opened read-only is not written', () => {
    const store = new FileBlockStore(image, { readonly: true });
    expect([store.write(0, new Uint8Array(512)), store.flush()]).toEqual([false, true]);
    store.close();
    expect(new Uint8Array(readFileSync(image))).toEqual(contents);
  });
  test('that fails while in use fails the call and tells why', () => {
    const store = new FileBlockStore(image, { readonly: true });
    truncateSync(image, 600);
    expect(store.read(1, new Uint8Array(512))).toBe(false);
    expect(store.lastError?.message).toContain('disk.img');
    store.close();
    expect(store.read(0, new Uint8Array(512))).toBe(false);
  });
  test.each(['none.img', '.'])('cannot be opened when it is %s', (name) => {
    expect(() => new FileBlockStore(join(dir, name), { readonly: true })).toThrow(/ENOENT|EINVAL|EISDIR/);
  });
});
