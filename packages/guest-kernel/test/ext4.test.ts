/** What ext4 and ext3 have beyond ext2, against e2fsprogs. */
import { afterAll, describe, expect, it } from 'vitest';
import { E } from '../src/abi/errno.ts';
import { AT_EMPTY_PATH, AT_FDCWD, O_CREAT, O_RDWR, O_TMPFILE } from '../src/abi/fcntl.ts';
import { MemoryDisk, type TestTask } from '../src/fs/testing.ts';
import { Images, mount, tryMount } from './e2fsprogs.ts';

const images = new Images();
afterAll(() => images.remove());

const RDONLY = 1;
const MS_REMOUNT = 32;
const KIB = 1024;

const open = (task: TestTask, path: string) => task.call('open', path, O_CREAT | O_RDWR, 0o644);

function writeAt(task: TestTask, fd: number, at: number, text: string): void {
  expect(task.call('lseek', fd, at, 0)).toBe(at);
  expect(task.writeText(fd, text)).toBe(text.length);
}

/** A text of a kibibyte that tells which. */
const kib = (index: number): string => `${index};`.repeat(KIB).slice(0, KIB);

describe('extents', () => {
  it('of a file in hundreds of pieces are read, punched, filled and cut as they should', () => {
    const { task, disk, unmount } = mount(images.mke2fs(16384, '-t', 'ext4', '-b', '1024'), { type: 'ext4' });
    const pieces = 500;
    const fd = open(task, '/mnt/f');
    // Every second block, from the middle outwards: splits at both ends and in between.
    for (let step = 0; step < pieces; step++) {
      const index = step % 2 === 0 ? pieces - step : pieces + step + 1;
      writeAt(task, fd, 2 * index * KIB, kib(2 * index));
      if (step % 100 === 0) task.call('fsync', fd);
    }
    task.call('fsync', fd);
    const expected = Array.from({ length: 4 * pieces }, () => '\0'.repeat(KIB));
    for (let step = 0; step < pieces; step++) {
      const index = step % 2 === 0 ? pieces - step : pieces + step + 1;
      expected[2 * index] = kib(2 * index);
    }
    const size = task.stat('/mnt/f') as { size: number };
    const whole = () => expected.join('').slice(0, size.size);
    expect(task.readFile('/mnt/f') === whole()).toBe(true);
    task.call('sync');
    const replayed = images.changedByE2fsck(disk.bytes, '-p');
    expect(images.debugfs(replayed, 'dump_extents /f')).toMatch(/^ 1\/ 2/m);
    for (const [from, count] of [
      [30, 40],
      [301, 100],
      [490, 4],
    ] as const) {
      expect(task.call('fallocate', fd, 3, from * 4 * KIB, 0, count * 4 * KIB, 0)).toBe(0);
      expected.fill('\0'.repeat(KIB), from * 4, (from + count) * 4);
    }
    for (let index = 300; index < 700; index++) {
      writeAt(task, fd, index * KIB, kib(index));
      expected[index] = kib(index);
    }
    task.call('fsync', fd);
    expect(task.readFile('/mnt/f') === whole()).toBe(true);
    task.call('close', fd);
    unmount();
    expect(images.e2fsck(disk.bytes)).toBe('clean');
    expect(images.dump(disk.bytes, '/f') === whole()).toBe(true);
    const again = mount(disk.bytes, { type: 'ext4' });
    again.task.call('truncate64', '/mnt/f', 634 * KIB + 7, 0);
    expect(again.task.readFile('/mnt/f') === whole().slice(0, 634 * KIB + 7)).toBe(true);
    again.task.call('truncate64', '/mnt/f', 3, 0);
    again.unmount();
    expect(images.e2fsck(disk.bytes)).toBe('clean');
  });

  it('that are reserved read as zeros, and become data where they are written', () => {
    const { task, disk, unmount } = mount(images.mke2fs(16384, '-t', 'ext4', '-b', '1024'), { type: 'ext4' });
    const fd = open(task, '/mnt/f');
    expect(task.call('fallocate', fd, 0, 0, 0, 3_000_000, 0)).toBe(0);
    expect(task.call('fallocate', fd, 1, 4_000_000, 0, 100_000, 0)).toBe(0);
    for (const at of [0, 5000, 70_000, 2_999_000]) writeAt(task, fd, at, 'written');
    task.call('fsync', fd);
    task.call('close', fd);
    unmount();
    expect(images.e2fsck(disk.bytes)).toBe('clean');
    const listed = images.debugfs(disk.bytes, 'dump_extents /f');
    expect(listed).toContain('Uninit');
    const content = images.dump(disk.bytes, '/f');
    expect([content.length, content.slice(5000, 5008), content.slice(2_999_000, 2_999_008)]).toEqual([
      3_000_000,
      'written\0',
      'written\0',
    ]);
    expect(mount(disk.bytes, { type: 'ext4' }).task.readFile('/mnt/f')).toBe(content);
  });
});

describe('directories with an index', () => {
  const names = (count: number) =>
    Array.from({ length: count }, (_, index) => `entry-${index}-${'n'.repeat((index * 7) % 200)}`);

  for (const [blocks, count] of [
    ['1024', 1000],
    // Two levels here, too, if there is time.
    ['4096', process.env.DOMU_RUNS === undefined ? 1000 : 20_000],
  ] as const) {
    it(`${count} names in blocks of ${blocks} bytes come and go`, () => {
      const image = images.mke2fs(20_480, '-t', 'ext4', '-b', blocks, '-N', '24000');
      const { task, disk, unmount } = mount(image, { type: 'ext4' });
      task.call('mkdir', '/mnt/d', 0o755);
      const made = names(count).map((name) => task.call('close', open(task, `/mnt/d/${name}`)));
      expect(made.every((result) => result === 0)).toBe(true);
      expect(task.names('/mnt/d')).toEqual(names(count).sort());
      task.call('sync');
      const index = images.debugfs(images.changedByE2fsck(disk.bytes, '-p'), 'htree /d');
      expect(index).toContain(`Indirect levels: ${blocks === '1024' || count > 9000 ? 1 : 0}`);
      const changed = names(count).map((name, place) => {
        if (place % 3 === 0) return task.call('unlink', `/mnt/d/${name}`);
        return place % 3 === 1 ? task.call('rename', `/mnt/d/${name}`, `/mnt/d/${name}-moved`) : 0;
      });
      expect(changed.every((result) => result === 0)).toBe(true);
      unmount();
      expect(images.e2fsck(disk.bytes)).toBe('clean');
      const again = mount(disk.bytes, { type: 'ext4' });
      expect(again.task.stat(`/mnt/d/${names(3)[2]}`)).toMatchObject({ nlink: 1 });
      expect(again.task.stat(`/mnt/d/${names(1)[0]}`)).toBe(-E.NOENT);
      expect((again.task.names('/mnt/d') as string[]).length).toBe(count - Math.ceil(count / 3));
    });
  }

  it('that e2fsck made are searched and added to, whatever the hash', () => {
    for (const hash of ['half_md4', 'tea', 'legacy']) {
      const image = images.mke2fs(
        8192,
        '-t',
        'ext4',
        '-b',
        '1024',
        '-O',
        '^dir_index',
        '-E',
        `hash_seed=01234567-89ab-cdef-0123-456789abcdef`,
      );
      const first = mount(image, { type: 'ext4' });
      for (const name of names(300)) first.task.call('close', open(first.task, `/mnt/${name}`));
      first.unmount();
      images.debugfs(image, 'feature dir_index', `ssv def_hash_version ${hash}`);
      const indexed = images.changedByE2fsck(image, '-fyD');
      expect(images.debugfs(indexed, 'htree /')).toContain('Root node dump');
      const { task, unmount, disk } = mount(indexed, { type: 'ext4' });
      for (const name of names(300)) expect(task.stat(`/mnt/${name}`)).toMatchObject({ size: 0 });
      for (const name of names(300)) task.call('close', open(task, `/mnt/more-${name}`));
      unmount();
      expect([hash, images.e2fsck(disk.bytes)]).toEqual([hash, 'clean']);
    }
  });
});

describe('mounting', () => {
  const ext4 = () => images.mke2fs(4096, '-t', 'ext4', '-b', '1024', '-O', '^has_journal');

  it('refuses what it does not know, and says so', () => {
    for (const [feature, flags, result, said] of [
      ['inline_data', 0, -E.INVAL, 'unsupported optional features (8000)'],
      ['FEATURE_R20', 0, -E.ROFS, "couldn't mount RDWR because of unsupported optional features (100000)"],
      ['FEATURE_R20', RDONLY, 0, undefined],
      ['mmp', 0, -E.ROFS, "couldn't mount RDWR because of unsupported optional features (100)"],
      ['mmp', RDONLY, 0, undefined],
    ] as const) {
      const image = ext4();
      images.debugfs(image, `feature ${feature}`);
      const { result: got, log } = tryMount(new MemoryDisk(image), { type: 'ext4', flags });
      expect([feature, got, log.join()]).toEqual([
        feature,
        result,
        said === undefined ? '' : expect.stringContaining(said),
      ]);
    }
  });

  it('checks options, and shows them', () => {
    const fstab = 'errors=remount-ro,data=ordered,commit=30,acl';
    const { task } = mount(ext4(), { type: 'ext4', data: fstab });
    task.call('mkdir', '/proc', 0o755);
    expect(tryMount(new MemoryDisk(ext4()), { type: 'ext4', data: 'sata=yes' })).toMatchObject({
      result: -E.INVAL,
      log: ['EXT4-fs (xvda): Unrecognized mount option "sata=yes" or missing value'],
    });
  });

  it('a disk that cannot be written is not recovered; noload shows it as it is', () => {
    const image = images.mke2fs(8192, '-t', 'ext4', '-b', '1024');
    const { task, disk } = mount(image, { type: 'ext4' });
    task.writeFile('/mnt/f', 'text');
    const fd = task.call('open', '/mnt/f', O_RDWR);
    expect(task.call('fsync', fd)).toBe(0);
    const crashed = disk.bytes.slice();
    const locked = () => new MemoryDisk(crashed.slice(), true);
    expect(tryMount(locked(), { type: 'ext4', flags: RDONLY }).result).toBe(-E.ROFS);
    const plain = tryMount(locked(), { type: 'ext4', flags: RDONLY, data: 'noload' });
    expect([plain.result, plain.task.readFile('/mnt/f')]).toEqual([0, -E.NOENT]);
    const recovered = tryMount(new MemoryDisk(crashed), { type: 'ext4', flags: RDONLY });
    expect([recovered.result, recovered.task.readFile('/mnt/f')]).toEqual([0, 'text']);
    expect(recovered.log).toEqual([expect.stringMatching(/recovery complete: \d+ transactions/)]);
    expect(images.e2fsck(crashed)).toBe('clean');
  });

  it('read only for a time, what was deleted and is open stays, and is freed in the end', () => {
    const image = images.mke2fs(8192, '-t', 'ext4', '-b', '1024');
    const { task, disk, unmount } = mount(image, { type: 'ext4' });
    const fds = ['a', 'b'].map((name) => {
      const fd = open(task, `/mnt/${name}`);
      writeAt(task, fd, 0, kib(1));
      task.call('unlink', `/mnt/${name}`);
      return fd;
    }) as [number, number];
    expect(task.call('mount', 'none', '/mnt', 0, MS_REMOUNT | RDONLY, 0)).toBe(0);
    task.call('close', fds[0]);
    task.call('sync');
    expect(open(task, '/mnt/c')).toBe(-E.ROFS);
    expect(task.call('mount', 'none', '/mnt', 0, MS_REMOUNT, 0)).toBe(0);
    writeAt(task, fds[1], KIB, kib(2));
    expect(task.call('fsync', fds[1])).toBe(0);
    const other = open(task, '/mnt/c');
    writeAt(task, other, 0, kib(3));
    expect(task.call('lseek', fds[1], 0, 0)).toBe(0);
    expect(task.readText(fds[1])).toBe(kib(1) + kib(2));
    for (const fd of [fds[1], other]) task.call('close', fd);
    unmount();
    expect(images.e2fsck(disk.bytes)).toBe('clean');
  });

  it('files without a name get one, or are freed, also after a crash', () => {
    const image = images.mke2fs(8192, '-t', 'ext4', '-b', '1024');
    const { task, disk, unmount } = mount(image, { type: 'ext4' });
    const fds = ['named', 'closed', 'lost'].map((text) => {
      const fd = task.call('open', '/mnt', O_TMPFILE | O_RDWR, 0o644);
      writeAt(task, fd, 0, text.repeat(1000));
      return fd;
    }) as [number, number, number];
    expect(task.call('linkat', fds[0], '', AT_FDCWD, '/mnt/f', AT_EMPTY_PATH)).toBe(0);
    task.call('close', fds[1]);
    task.call('sync');
    const again = tryMount(new MemoryDisk(disk.bytes.slice()), { type: 'ext4' });
    expect(again.log.at(-1)).toContain('1 orphan inodes deleted');
    expect(again.task.readFile('/mnt/f')).toBe('named'.repeat(1000));
    again.unmount();
    expect(images.e2fsck(again.disk.bytes)).toBe('clean');
    for (const fd of [fds[0], fds[2]]) task.call('close', fd);
    expect(task.stat('/mnt/f')).toMatchObject({ nlink: 1 });
    unmount();
    expect(images.e2fsck(disk.bytes)).toBe('clean');
  });

  it('frees what was deleted while it was open', () => {
    const image = images.mke2fs(8192, '-t', 'ext4', '-b', '1024');
    const { task, disk } = mount(image, { type: 'ext4' });
    for (const name of ['a', 'b', 'c']) {
      task.writeFile(`/mnt/${name}`, 'x'.repeat(50_000));
      task.call('open', `/mnt/${name}`, O_RDWR);
      task.call('unlink', `/mnt/${name}`);
    }
    task.call('sync');
    const again = tryMount(new MemoryDisk(disk.bytes.slice()), { type: 'ext4' });
    expect(again.log.at(-1)).toContain('3 orphan inodes deleted');
    again.unmount();
    expect(images.e2fsck(again.disk.bytes)).toBe('clean');
    expect(images.e2fsck(images.changedByE2fsck(disk.bytes, '-p'))).toBe('clean');
  });
});

it('extended attributes of files that are written stay', () => {
  const image = images.mke2fs(8192, '-t', 'ext4', '-b', '1024');
  const first = mount(image, { type: 'ext4' });
  first.task.writeFile('/mnt/f', 'text');
  first.unmount();
  images.debugfs(image, 'ea_set /f user.small value', `ea_set /f user.large ${'v'.repeat(700)}`);
  const { task, unmount } = mount(image, { type: 'ext4' });
  task.writeFile('/mnt/f', 'other text');
  task.call('chmod', '/mnt/f', 0o600);
  unmount();
  expect(images.debugfs(image, 'ea_list /f')).toMatch(/user\.small \(5\).*\n.*user\.large \(700\)/);
  expect(images.e2fsck(image)).toBe('clean');
  const again = mount(image, { type: 'ext4' });
  again.task.call('unlink', '/mnt/f');
  again.unmount();
  expect(images.e2fsck(image)).toBe('clean');
});

it('debugfs sees times to the nanosecond', () => {
  const image = images.mke2fs(8192, '-t', 'ext4', '-b', '1024');
  const { task, unmount } = mount(image, { type: 'ext4' });
  task.writeFile('/mnt/f', 'text');
  unmount();
  const told = images.debugfs(image, 'stat /f');
  for (const time of ['crtime', 'mtime', 'ctime'])
    expect(told).toMatch(new RegExp(`${time}: 0x6553f100:${((123_456_789 << 2) >>> 0).toString(16)}`));
});

it('what mappings have written is on the disk after fsync and sync, holes filled', () => {
  const image = images.mke2fs(8192, '-t', 'ext4', '-b', '1024');
  const { task, disk } = mount(image, { type: 'ext4' });
  const fd = open(task, '/mnt/f');
  expect(task.call('ftruncate64', fd, 5 * 4096, 0)).toBe(0);
  const inode = task.files.get(fd)!.inode!;
  let letter = 'a';
  inode.sharedMapping = {
    collect: () => inode.writeMapped!(2, new Uint8Array(4096).fill(letter.charCodeAt(0))),
    changed: () => {},
  };
  expect(task.call('fdatasync', fd)).toBe(0);
  const replayed = () => images.changedByE2fsck(disk.bytes, '-p');
  expect(images.dump(replayed(), '/f')).toBe('\0'.repeat(8192) + 'a'.repeat(4096) + '\0'.repeat(8192));
  letter = 'b';
  task.call('sync');
  const image2 = replayed();
  expect(images.dump(image2, '/f').slice(8191, 8194)).toBe('\0bb');
  expect(images.e2fsck(image2)).toBe('clean');
});
