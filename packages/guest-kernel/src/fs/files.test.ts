import { describe, expect, it } from 'vitest';
import { E } from '../abi/errno.ts';
import {
  AT_FDCWD,
  AT_SYMLINK_NOFOLLOW,
  F_DUPFD_CLOEXEC,
  F_GETFD,
  F_GETFL,
  F_SETFL,
  O_APPEND,
  O_CLOEXEC,
  O_CREAT,
  O_DIRECTORY,
  O_PATH,
  O_RDWR,
  O_WRONLY,
} from '../abi/fcntl.ts';
import { TestWorld } from './testing.ts';

const CREATE = O_CREAT | O_RDWR;

describe('descriptors', () => {
  it('are the lowest free, and dup shares position and status flags', () => {
    const task = new TestWorld().task();
    const fd = task.call('open', '/f', CREATE, 0o644);
    const copy = task.call('dup', fd);
    task.writeText(fd, 'abcdef');
    expect(task.call('lseek', copy, 2, 0)).toBe(2);
    expect(task.readText(fd, 2)).toBe('cd');
    task.call('fcntl64', copy, F_SETFL, O_APPEND);
    expect(task.call('fcntl64', fd, F_GETFL) & O_APPEND).toBe(O_APPEND);
    task.call('close', fd);
    expect(task.call('open', '/f', 0)).toBe(fd);
  });

  it('close on exec if they say so; a copy by fork shares the open file', () => {
    const task = new TestWorld().task();
    task.call('open', '/f', CREATE | O_CLOEXEC, 0o644);
    const kept = task.call('open', '/f', O_RDWR);
    expect(task.call('fcntl64', kept, F_DUPFD_CLOEXEC, 10)).toBe(10);
    expect([0, 1, 10].map((fd) => task.call('fcntl64', fd, F_GETFD))).toEqual([1, 0, 1]);
    const child = task.files.copy();
    child.closeOnExec();
    expect([...child.open()].map(({ fd }) => fd)).toEqual([1]);
    expect(child.get(1)).toBe(task.files.get(1));
    expect(task.files.get(1)?.refs).toBe(3);
  });

  it('run out with -EMFILE at the limit', () => {
    const task = new TestWorld().task();
    task.files.limit = 2;
    expect([0, 1, 2].map(() => task.call('open', '/', 0))).toEqual([0, 1, -E.MFILE]);
    expect(task.call('dup2', 0, 2)).toBe(-E.BADF);
  });
});

describe('regular files', () => {
  it('write at the end with O_APPEND and leave holes that read as zero', () => {
    const task = new TestWorld().task();
    const fd = task.call('open', '/f', CREATE, 0o644);
    task.call('lseek', fd, 10000, 0);
    task.writeText(fd, 'end');
    const append = task.call('open', '/f', O_WRONLY | O_APPEND);
    task.writeText(append, '!');
    expect(task.readFile('/f')).toBe(`${'\0'.repeat(10000)}end!`);
    expect(task.call('lseek', fd, 0, 3)).toBe(8192);
    expect(task.call('lseek', fd, 8192, 4)).toBe(10004);
    expect(task.call('lseek', fd, 20000, 3)).toBe(-E.NXIO);
  });

  it('grow and shrink, and come back as zeroes', () => {
    const task = new TestWorld().task();
    task.writeFile('/f', 'abcdefgh');
    task.call('truncate64', '/f', 3, 0);
    task.call('truncate64', '/f', 6, 0);
    expect(task.readFile('/f')).toBe('abc\0\0\0');
    expect(task.call('truncate', '/f', -1)).toBe(-E.INVAL);
    expect(task.call('truncate', '/', 1)).toBe(-E.ISDIR);
  });

  it('stay readable after unlink until they are closed', () => {
    const world = new TestWorld();
    const task = world.task();
    const free = world.side.vfs.mounts.all[0]!.fs.statistics().blocksFree;
    task.writeFile('/f', 'still here');
    const fd = task.call('open', '/f', 0);
    task.call('unlink', '/f');
    expect(task.readText(fd)).toBe('still here');
    task.call('close', fd);
    expect(world.side.vfs.mounts.all[0]!.fs.statistics().blocksFree).toBe(free);
  });

  it('end with -ENOSPC when the file system is full, after what did fit', () => {
    const task = new TestWorld({ memoryBytes: 16384 }).task();
    const fd = task.call('open', '/f', CREATE, 0o644);
    expect(task.writeText(fd, 'x'.repeat(10000))).toBe(8192);
    expect(task.writeText(fd, 'y')).toBe(-E.NOSPC);
    task.call('ftruncate64', fd, 0, 0);
    expect(task.call('fallocate', fd, 0, 0, 0, 1 << 30, 100)).toBe(-E.NOSPC);
    expect(task.writeText(fd, 'x'.repeat(10000))).toBe(8192);
  });

  it('-EFAULT for memory that is not there, positions for pread stay', () => {
    const task = new TestWorld().task();
    task.writeFile('/f', '0123456789');
    const fd = task.call('open', '/f', 0);
    expect(task.call('read', fd, 16, 4)).toBe(-E.FAULT);
    const va = task.allocate(8);
    task.call('lseek', fd, 1, 0);
    expect(task.call('pread64', fd, va, 4, 5, 0)).toBe(4);
    expect(task.readText(fd, 2)).toBe('12');
    expect(task.call('write', fd, va, 1)).toBe(-E.BADF);
    expect(task.call('open', 16, 0)).toBe(-E.FAULT);
  });

  it('copy by sendfile and copy_file_range', () => {
    const task = new TestWorld().task();
    task.writeFile('/a', 'some bytes to copy');
    const from = task.call('open', '/a', 0);
    const to = task.call('open', '/b', CREATE, 0o644);
    const offset = task.allocate(8);
    task.user.write32(offset, 5);
    expect(task.call('sendfile64', to, from, offset, 5)).toBe(5);
    expect(task.user.read32(offset)).toBe(10);
    expect(task.call('sendfile64', to, from, 0, 100)).toBe(18);
    expect(task.call('copy_file_range', from, offset, to, 0, 3, 0)).toBe(3);
    expect(task.readFile('/b')).toBe('bytessome bytes to copy to');
  });
});

describe('permissions', () => {
  it('follow owner, group and others; root passes', () => {
    const world = new TestWorld();
    const [root, user, other] = [world.task(), world.user(100), world.user(200)];
    root.call('mkdir', '/d', 0o777);
    root.call('chmod', '/d', 0o777);
    user.writeFile('/d/mine', 'x', 0o640);
    expect(other.call('open', '/d/mine', 0)).toBe(-E.ACCES);
    expect(other.call('chmod', '/d/mine', 0o666)).toBe(-E.PERM);
    expect(user.call('chown32', '/d/mine', 200, -1)).toBe(-E.PERM);
    expect(user.call('chmod', '/d/mine', 0o604)).toBe(0);
    expect(other.readFile('/d/mine')).toBe('x');
    expect(other.call('access', '/d/mine', 2)).toBe(-E.ACCES);
    expect(root.call('access', '/d/mine', 6)).toBe(0);
    expect(root.call('access', '/d/mine', 1)).toBe(-E.ACCES);
  });

  it('sticky directories keep others from removing and renaming', () => {
    const world = new TestWorld();
    const [root, user, other] = [world.task(), world.user(100), world.user(200)];
    root.call('mkdir', '/tmp', 0o777);
    root.call('chmod', '/tmp', 0o1777);
    user.writeFile('/tmp/f', 'x');
    expect(other.call('unlink', '/tmp/f')).toBe(-E.PERM);
    expect(other.call('rename', '/tmp/f', '/tmp/g')).toBe(-E.PERM);
    expect(user.call('unlink', '/tmp/f')).toBe(0);
  });

  it('set-group-ID directories hand on their group, chown and writing drop set-user-ID', () => {
    const world = new TestWorld();
    const root = world.task();
    const user = world.user(100);
    root.call('mkdir', '/g', 0o777);
    root.call('chown32', '/g', 0, 55);
    root.call('chmod', '/g', 0o2777);
    user.call('mkdir', '/g/sub', 0o755);
    expect(user.stat('/g/sub')).toMatchObject({ gid: 55, mode: 0o042755 });
    user.writeFile('/g/f', 'x');
    user.call('chmod', '/g/f', 0o4777);
    root.call('chmod', '/g/f', 0o4777);
    world.user(300).writeFile('/g/f', 'y');
    expect(user.stat('/g/f')).toMatchObject({ mode: 0o100777 });
  });

  it('umask takes bits from new files', () => {
    const task = new TestWorld().task();
    expect(task.call('umask', 0o077)).toBe(0o022);
    task.writeFile('/f', '', 0o666);
    expect(task.stat('/f')).toMatchObject({ mode: 0o100600 });
  });
});

describe('the tree', () => {
  it('getcwd follows a rename above, and says ENOENT after removal', () => {
    const task = new TestWorld().task();
    const where = () => {
      const va = task.allocate(256);
      const got = task.call('getcwd', va, 256);
      return got < 0 ? got : task.user.readString(va, 256);
    };
    task.call('mkdir', '/a', 0o755);
    task.call('mkdir', '/a/b', 0o755);
    task.call('chdir', '/a/b');
    expect(where()).toBe('/a/b');
    task.call('rename', '/a', '/moved');
    expect(where()).toBe('/moved/b');
    expect(task.call('chdir', '..')).toBe(0);
    expect(where()).toBe('/moved');
    task.call('chdir', 'b');
    task.call('rmdir', '/moved/b');
    expect(where()).toBe(-E.NOENT);
    expect(task.call('open', 'new', CREATE, 0o644)).toBe(-E.NOENT);
  });

  it('chroot keeps .. inside', () => {
    const task = new TestWorld().task();
    task.call('mkdir', '/jail', 0o755);
    task.writeFile('/jail/in', 'inside');
    task.writeFile('/out', 'outside');
    task.call('chroot', '/jail');
    task.call('chdir', '/');
    expect(task.readFile('/../../in')).toBe('inside');
    expect(task.readFile('/../out')).toBe(-E.NOENT);
  });

  it('a loop of links ends with -ELOOP, a dangling link creates its target', () => {
    const task = new TestWorld().task();
    task.call('symlink', 'two', '/one');
    task.call('symlink', 'one', '/two');
    expect(task.call('open', '/one', 0)).toBe(-E.LOOP);
    task.call('symlink', 'target', '/link');
    task.writeFile('/link', 'made');
    expect(task.readFile('/target')).toBe('made');
  });

  it('mounts cover, .. leaves them, and busy ones stay', () => {
    const task = new TestWorld().task();
    task.call('mkdir', '/mnt', 0o755);
    task.writeFile('/mnt/below', '');
    expect(task.call('mount', 'none', '/mnt', 'tmpfs', 0, 'size=1m,mode=700')).toBe(0);
    expect(task.names('/mnt')).toEqual([]);
    expect(task.stat('/mnt')).toMatchObject({ mode: 0o040700 });
    task.writeFile('/mnt/above', 'x');
    task.call('chdir', '/mnt');
    expect(task.call('umount2', '/mnt', 0)).toBe(-E.BUSY);
    expect(task.call('rename', '/mnt/above', '/above')).toBe(-E.XDEV);
    task.call('chdir', '..');
    expect(task.call('rmdir', '/mnt')).toBe(-E.BUSY);
    expect(task.call('umount2', '/mnt', 0)).toBe(0);
    expect(task.names('/mnt')).toEqual(['below']);
    expect(task.call('umount2', '/mnt', 0)).toBe(-E.INVAL);
    expect(task.call('mount', 'x', '/mnt', 'nosuchfs', 0, 0)).toBe(-E.NODEV);
  });

  it('read-only mounts refuse changes with -EROFS', () => {
    const task = new TestWorld().task();
    task.call('mkdir', '/mnt', 0o755);
    task.call('mount', 'none', '/mnt', 'tmpfs', 0, 0);
    task.writeFile('/mnt/f', 'x');
    expect(task.call('mount', 'none', '/mnt', 0, 33, 0)).toBe(0);
    expect(task.call('open', '/mnt/f', O_WRONLY)).toBe(-E.ROFS);
    expect(task.call('open', '/mnt/new', CREATE, 0o644)).toBe(-E.ROFS);
    expect(task.call('unlink', '/mnt/f')).toBe(-E.ROFS);
    expect(task.readFile('/mnt/f')).toBe('x');
  });

  it('*at calls start at the descriptor; O_PATH opens name only', () => {
    const task = new TestWorld().task();
    task.call('mkdir', '/d', 0o755);
    task.writeFile('/d/f', 'text');
    const dir = task.call('open', '/d', O_DIRECTORY);
    const fd = task.call('openat', dir, 'f', 0);
    expect(task.readText(fd)).toBe('text');
    const path = task.call('openat', AT_FDCWD, '/d/f', O_PATH);
    expect(task.readText(path)).toBe(-E.BADF);
    expect(task.call('openat', fd, 'x', 0)).toBe(-E.NOTDIR);
    expect(task.call('fstatat64', dir, 'f', task.allocate(96), AT_SYMLINK_NOFOLLOW)).toBe(0);
    expect(task.call('unlinkat', dir, 'f', 0)).toBe(0);
    expect(task.names('/d')).toEqual([]);
  });

  it('times are set, to now or to a time given', () => {
    const world = new TestWorld();
    const task = world.task();
    task.writeFile('/f', '');
    const times = task.allocate(16);
    for (const [index, value] of [100, 5, 0, 0x3ffffffe].entries())
      task.user.write32(times + 4 * index, value);
    expect(task.call('utimensat', AT_FDCWD, '/f', times, 0)).toBe(0);
    const va = task.allocate(96);
    task.call('stat64', '/f', va);
    expect([64, 68, 72].map((at) => task.user.read32(va + at))).toEqual([100, 5, 1000]);
    task.user.write32(times + 4, 1_000_000_000);
    expect(task.call('utimensat', AT_FDCWD, '/f', times, 0)).toBe(-E.INVAL);
  });
});
