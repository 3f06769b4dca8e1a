import { describe, expect, test } from 'vitest';
import type { DiskImage } from './disk-image.ts';
import { type ImageFiles, openImage } from './open-image.ts';
import { emptyQcow2, MemoryFile } from './testing.ts';

const SIZE = 1 << 20;

class TestFiles implements ImageFiles {
  readonly contents: Map<string, Uint8Array>;
  readonly opened: MemoryFile[] = [];

  constructor(contents: Readonly<Record<string, Uint8Array>>) {
    this.contents = new Map(Object.entries(contents));
  }

  open(name: string, _from: string | null, options: { readonly readonly: boolean }) {
    const bytes = this.contents.get(name);
    if (bytes === undefined) return `${name}: ENOENT`;
    const file = new MemoryFile(bytes, options);
    this.opened.push(file);
    return { file, identity: name };
  }

  get nrOpen(): number {
    return this.opened.filter(({ closed }) => !closed).length;
  }
}

const on = (name: string, format?: string): Uint8Array =>
  emptyQcow2({ sizeBytes: SIZE, backing: { name, format } });
const raw = new Uint8Array(SIZE).fill(3);
const first = (image: DiskImage): number => {
  const into = new Uint8Array(512);
  return image.read(0, into) ? into[0] : -1;
};

describe('a chain of images', () => {
  test('is opened with all that lies below, which is only read, and closed', () => {
    const files = new TestFiles({ top: on('mid', 'qcow2'), mid: on('base', 'raw'), base: raw });
    const image = openImage(files, 'top', { format: 'qcow2', readonly: false });
    if (typeof image === 'string') throw new Error(image);
    expect([first(image), files.opened.map((file) => file.readonly)]).toEqual([3, [false, true, true]]);
    image.close();
    expect(files.nrOpen).toBe(0);
  });
  test.each<[string, Record<string, Uint8Array>, RegExp]>([
    ['that ends in itself', { top: on('top', 'qcow2') }, /top is below itself/],
    [
      'that ends in a circle',
      { top: on('a', 'qcow2'), a: on('b', 'qcow2'), b: on('a', 'qcow2') },
      /a is below itself/,
    ],
    ['with something missing', { top: on('a', 'raw') }, /a: ENOENT/],
    ['with something that is no image', { top: on('a', 'qcow2'), a: raw }, /a: not a qcow2 image/],
    ['in another format', { top: on('a', 'vmdk') }, /format vmdk; expected raw or qcow2/],
    [
      'that does not say that it goes on',
      { top: on('a'), a: on('secret', 'raw'), secret: raw },
      /which format it has/,
    ],
    [
      'that never ends',
      Object.fromEntries(
        Array.from({ length: 100 }, (_, i) => [i === 0 ? 'top' : `${i}`, on(`${i + 1}`, 'qcow2')]),
      ),
      /more than 64 images/,
    ],
  ])('%s is refused, and nothing stays open', (_, contents, reason) => {
    const files = new TestFiles(contents);
    expect(openImage(files, 'top', { format: 'qcow2', readonly: false })).toMatch(reason);
    expect(files.nrOpen).toBe(0);
  });
  test('that does not name a format is raw below', () => {
    const files = new TestFiles({ top: on('base'), base: raw });
    const image = openImage(files, 'top', { format: 'qcow2', readonly: true });
    expect(typeof image === 'string' ? image : first(image)).toBe(3);
  });
});
