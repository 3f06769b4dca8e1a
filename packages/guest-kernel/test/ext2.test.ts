/** ext2 against e2fsprogs: what mke2fs makes is read, and what we write e2fsck finds nothing wrong with. */
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { E } from '../src/abi/errno.ts';
import { O_CREAT, O_RDWR } from '../src/abi/fcntl.ts';
import { MemoryDisk, type TestTask, TestWorld } from '../src/fs/testing.ts';
import { Images, mount } from './e2fsprogs.ts';

const images = new Images();
afterAll(() => images.remove());

const GEOMETRIES: readonly (readonly [name: string, ...options: string[]])[] = [
  ['1 KiB blocks', '-b', '1024'],
  ['4 KiB blocks', '-b', '4096'],
  ['revision 0', '-b', '1024', '-r', '0'],
  ['128-byte inodes without features', '-b', '1024', '-I', '128', '-O', 'none'],
  ['many small groups', '-b', '1024', '-g', '512', '-N', '600'],
  ['ext3', '-t', 'ext3', '-b', '1024'],
  ['ext4', '-t', 'ext4', '-b', '1024'],
  ['ext4 with 4 KiB blocks', '-t', 'ext4', '-b', '4096'],
  ['ext4 of many small groups', '-t', 'ext4', '-b', '1024', '-g', '512', '-N', '600'],
  ['ext4 with checksums of descriptors only', '-t', 'ext4', '-b', '1024', '-O', '^metadata_csum,uninit_bg'],
  ['ext4 without journal and 64bit', '-t', 'ext4', '-b', '2048', '-O', '^has_journal,^64bit'],
];

describe.each(GEOMETRIES)('with %s', (_name, ...options) => {
  it('reads a tree that mke2fs made', () => {
    const source = images.path();
    mkdirSync(join(source, 'sub/deep'), { recursive: true });
    writeFileSync(join(source, 'small'), 'small file\n');
    const big = Buffer.alloc(700_000, 'abcdefghijk');
    writeFileSync(join(source, 'sub/big'), big);
    symlinkSync('sub/big', join(source, 'short'));
    symlinkSync(`${'./'.repeat(60)}small`, join(source, 'long'));
    const { task } = mount(images.mke2fs(8192, ...options, '-d', source), { flags: 1 });
    expect(task.names('/mnt')).toEqual(['long', 'lost+found', 'short', 'small', 'sub']);
    expect(task.readFile('/mnt/long')).toBe('small file\n');
    expect(task.readFile('/mnt/short')).toBe(big.toString('latin1'));
    expect(task.names('/mnt/sub')).toEqual(['big', 'deep']);
    expect(task.call('open', '/mnt/small', O_RDWR)).toBe(-E.ROFS);
  });

  it('writes what e2fsck finds nothing wrong with', () => {
    const { task, disk, unmount } = mount(images.mke2fs(8192, ...options));
    task.call('mkdir', '/mnt/d', 0o755);
    for (let index = 0; index < 150; index++) task.writeFile(`/mnt/d/name-${index}`, `text ${index}`);
    for (let index = 0; index < 150; index += 3) task.call('unlink', `/mnt/d/name-${index}`);
    task.writeFile('/mnt/big', 'x'.repeat(1_000_000));
    task.call('truncate64', '/mnt/big', 300_001, 0);
    task.call('symlink', 'big', '/mnt/link');
    task.call('symlink', `${'./'.repeat(100)}big`, '/mnt/d/longlink');
    task.call('link', '/mnt/big', '/mnt/d/hard');
    task.call('mknod', '/mnt/null', 0o020666, 0x103);
    task.call('rename', '/mnt/d', '/mnt/moved');
    const fd = task.call('open', '/mnt/sparse', O_CREAT | O_RDWR, 0o600);
    task.call('_llseek', fd, 0, 1_500_000, 8192, 0);
    task.writeText(fd, 'far');
    task.call('close', fd);
    expect(task.stat('/mnt/sparse')).toMatchObject({ size: 1_500_003 });
    unmount();
    expect(images.e2fsck(disk.bytes)).toBe('clean');
    const again = mount(disk.bytes);
    expect(again.task.readFile('/mnt/moved/name-1')).toBe('text 1');
    expect(again.task.readFile('/mnt/link')).toBe('x'.repeat(300_001));
    expect(again.task.readFile('/mnt/moved/longlink')).toBe(-E.NOENT);
    expect(again.task.stat('/mnt/big')).toMatchObject({ nlink: 2, size: 300_001 });
    const sparse = again.task.readFile('/mnt/sparse') as string;
    expect([sparse.length, sparse.slice(-4)]).toEqual([1_500_003, '\0far']);
  });

  it('counts the blocks of a file before they have a place on the disk', () => {
    const { task } = mount(images.mke2fs(4096, ...options));
    task.writeFile('/mnt/f', 'x'.repeat(9000));
    const before = task.stat('/mnt/f');
    task.call('sync');
    expect(task.stat('/mnt/f')).toEqual(before);
    expect(before).not.toMatchObject({ sectors512: 0 });
  });

  it('fills up, says -ENOSPC, and has everything back after removal', () => {
    const { task, disk, unmount } = mount(images.mke2fs(4096, ...options));
    const statfs = () => {
      const va = task.allocate(84);
      task.call('statfs64', '/mnt', 84, va);
      return [16, 48].map((at) => task.user.read32(va + at));
    };
    const before = statfs();
    const fd = task.call('open', '/mnt/all', O_CREAT | O_RDWR, 0o600);
    let written = 1;
    while (written > 0) written = task.writeText(fd, 'y'.repeat(10_000));
    expect(written).toBe(-E.NOSPC);
    expect(task.call('mkdir', '/mnt/d', 0o755)).toBe(-E.NOSPC);
    expect(task.call('fsync', fd)).toBe(0);
    task.call('ftruncate64', fd, 100_000, 0);
    expect(task.call('fallocate', fd, 0, 50_000, 0, 50_000_000, 0)).toBe(-E.NOSPC);
    expect(task.stat('/mnt/all')).toMatchObject({ size: 100_000 });
    task.call('sync');
    expect(images.e2fsck(disk.bytes)).not.toContain('i_size');
    task.call('unlink', '/mnt/all');
    task.call('close', fd);
    task.call('sync');
    expect(statfs()).toEqual(before);
    unmount();
    expect(images.e2fsck(disk.bytes)).toBe('clean');
  });
});

/** Operations on a few names; the same on ext2 and on tmpfs, which was compared with the host. */
const NAMES = ['a', 'b', 'c', 'a/x', 'b/x', 'a/x/y', 'b/y', 'f', 'g'];

function play(
  task: TestTask,
  root: string,
  [what, one, two, size]: readonly [string, string, string, number],
): number {
  const path = `${root}/${one}`;
  switch (what) {
    case 'write': {
      const fd = task.call('open', path, O_CREAT | O_RDWR, 0o644);
      if (fd < 0) return fd;
      task.call('lseek', fd, size * 3, 0);
      const text = String.fromCharCode(97 + (size % 26)).repeat(size);
      const done = task.writeText(fd, text);
      task.call('close', fd);
      return done;
    }
    case 'mkdir':
      return task.call('mkdir', path, 0o755);
    case 'truncate':
      return task.call('truncate64', path, size, 0);
    case 'punch': {
      const fd = task.call('open', path, O_RDWR);
      if (fd < 0) return fd;
      const done = task.call('fallocate', fd, 3, size, 0, size + 1, 0);
      task.call('close', fd);
      return done;
    }
    case 'rename':
    case 'link':
      return task.call(what, path, `${root}/${two}`);
    case 'symlink':
      return task.call(what, two.repeat(1 + (size % 40)), path);
    case 'sync':
      return task.call('sync');
    default:
      return task.call(what, path);
  }
}

function tree(task: TestTask, path: string): string[] {
  const names = task.names(path);
  if (typeof names === 'number') return [`error ${names}`];
  return names
    .filter((name) => name !== 'lost+found')
    .flatMap((name) => {
      const child = `${path}/${name}`;
      const stat = task.stat(child, 'lstat64');
      if (typeof stat === 'number') return [`error ${stat}`];
      if ((stat.mode & 0o170000) === 0o040000) {
        return [`${name}/ ${stat.nlink}`, ...tree(task, child).map((line) => `${name}/${line}`)];
      }
      const content = (stat.mode & 0o170000) === 0o120000 ? '' : String(task.readFile(child));
      return [`${name} ${stat.size} ${stat.nlink} ${content}`];
    });
}

const RANDOM: readonly (readonly [kib: number, ...options: string[]])[] = [
  [2048, '-b', '1024', '-g', '512'],
  [2048, '-b', '4096'],
  [8192, '-t', 'ext4', '-b', '1024', '-g', '1024'],
  [8192, '-t', 'ext4', '-b', '4096'],
  [8192, '-t', 'ext3', '-b', '1024'],
];

describe('under random operations', () => {
  it('does what tmpfs does, keeps it over a remount, and stays clean', () => {
    const name = fc.constantFrom(...NAMES);
    const what = fc.constantFrom(
      ...[
        'write',
        'write',
        'write',
        'mkdir',
        'truncate',
        'punch',
        'rename',
        'rename',
        'link',
        'symlink',
        'unlink',
        'rmdir',
        'sync',
      ],
    );
    const size = fc.oneof(fc.nat(100), fc.nat(20_000), fc.constantFrom(4096, 1024, 0));
    const empty = RANDOM.map((options) => images.mke2fs(...options));
    fc.assert(
      fc.property(
        fc.array(fc.tuple(what, name, name, size), { minLength: 20, maxLength: 60 }),
        fc.nat(RANDOM.length - 1),
        (operations, which) => {
          const { task, disk, unmount } = mount(empty[which]!.slice(), { cacheBytes: 65536 });
          task.call('mkdir', '/t', 0o755);
          for (const step of operations) {
            const expected = play(task, '/t', step);
            const got = play(task, '/mnt', step);
            if (got !== expected) throw new Error(`${step.join(' ')}: tmpfs ${expected}, ext2 ${got}`);
          }
          const expected = tree(task, '/t');
          expect(tree(task, '/mnt')).toEqual(expected);
          unmount();
          expect(images.e2fsck(disk.bytes)).toBe('clean');
          expect(tree(mount(disk.bytes, { flags: 1 }).task, '/mnt')).toEqual(expected);
        },
      ),
      { numRuns: Number(process.env.DOMU_RUNS ?? 10), seed: 1 },
    );
  });

  it('no image makes it throw or hang', () => {
    const good = images.mke2fs(512, '-b', '1024');
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(80_000), fc.nat(255)), { minLength: 1, maxLength: 30 }),
        (changes) => {
          const bytes = good.slice();
          for (const [at, byte] of changes) bytes[at + 1024] = byte;
          const world = new TestWorld();
          const task = world.task();
          task.call('mkdir', '/dev', 0o755);
          task.call('mkdir', '/mnt', 0o755);
          task.call('mount', 'dev', '/dev', 'devtmpfs', 0, 0);
          world.side.disks.add('xvda', new MemoryDisk(bytes)).next('event');
          if (task.call('mount', '/dev/xvda', '/mnt', 'ext2', 0, 0) < 0) return;
          task.names('/mnt');
          task.names('/mnt/lost+found');
          const fd = task.call('open', '/mnt/f', O_CREAT | O_RDWR, 0o644);
          if (fd >= 0) task.writeText(fd, 'x'.repeat(30_000));
          task.call('mkdir', '/mnt/d', 0o755);
          task.call('unlink', '/mnt/f');
          task.call('sync');
        },
      ),
      { numRuns: 30, seed: 1 },
    );
  });
});
