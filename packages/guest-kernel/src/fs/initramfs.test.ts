import fc from 'fast-check';
import { gzipSync } from 'fflate';
import { describe, expect, it } from 'vitest';
import { fromByteString } from '../abi/bytes.ts';
import { TestWorld } from './testing.ts';

type Member = {
  name: string;
  mode: number;
  data?: string;
  ino?: number;
  nlink?: number;
  rdev?: [number, number];
};

/** A newc archive. */
export function cpio(members: readonly Member[]): Uint8Array {
  let text = '';
  const pad = () => {
    while (text.length % 4 !== 0) text += '\0';
  };
  for (const { name, mode, data = '', ino = 0, nlink = 1, rdev = [0, 0] } of [
    ...members,
    { name: 'TRAILER!!!', mode: 0 },
  ] as Member[]) {
    const fields = [ino, mode, 0, 0, nlink, 1000, data.length, 0, 0, ...rdev, name.length + 1, 0];
    text += `070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}${name}\0`;
    pad();
    text += data;
    pad();
  }
  return fromByteString(text);
}

const TREE: readonly Member[] = [
  { name: '.', mode: 0o040755 },
  { name: 'bin', mode: 0o040755 },
  { name: 'bin/sh', mode: 0o100755, data: '#!shell' },
  { name: 'init', mode: 0o120777, data: 'bin/sh' },
  { name: 'one', mode: 0o100644, ino: 7, nlink: 2 },
  { name: 'two', mode: 0o100644, ino: 7, nlink: 2, data: 'linked' },
  { name: 'null', mode: 0o020666, rdev: [1, 3] },
];

describe('initramfs', () => {
  it.each([
    ['plain', cpio(TREE)],
    ['gzip', gzipSync(cpio(TREE))],
  ])('%s is unpacked with links, nodes, modes and times', (_name, initramfs) => {
    const world = new TestWorld({ initramfs });
    const task = world.task();
    expect(world.side.initramfsError).toBeUndefined();
    expect(task.names('/')).toEqual(['bin', 'init', 'null', 'one', 'two']);
    expect(task.readFile('/init')).toBe('#!shell');
    expect(task.stat('/bin/sh')).toMatchObject({ mode: 0o100755, size: 7 });
    expect(task.readFile('/one')).toBe('linked');
    expect(task.stat('/one')).toMatchObject({ nlink: 2 });
    expect(task.readFile('/null')).toBe('');
  });

  it('archives one after the other add up, the later file wins', () => {
    const second = cpio([{ name: 'bin/sh', mode: 0o100700, data: 'new' }]);
    const initramfs = new Uint8Array([...cpio(TREE), ...new Uint8Array(64), ...second]);
    expect(new TestWorld({ initramfs }).task().readFile('/bin/sh')).toBe('new');
  });

  it('what is cut off or not an archive is reported, what came before is there', () => {
    const cut = cpio(TREE).subarray(0, 400);
    const world = new TestWorld({ initramfs: cut });
    expect(world.side.initramfsError).toContain('unexpected end');
    expect(world.task().names('/')).toEqual(['bin']);
    expect(new TestWorld({ initramfs: fromByteString('junk') }).side.initramfsError).toContain('junk');
    expect(new TestWorld({ initramfs: new Uint8Array([0x1f, 0x8b, 8, 0, 1]) }).side.initramfsError).toContain(
      'gzip',
    );
  });

  it('no bytes make it throw', () => {
    const archive = cpio(TREE);
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(archive.length - 1), fc.nat(255)), { maxLength: 8 }),
        (changes) => {
          const initramfs = archive.slice();
          for (const [at, byte] of changes) initramfs[at] = byte;
          new TestWorld({ initramfs });
        },
      ),
      { numRuns: 100, seed: 1 },
    );
  });
});
