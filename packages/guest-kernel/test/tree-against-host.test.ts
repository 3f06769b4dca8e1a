/** The same operations on the host's file system and on tmpfs: results and trees must agree. */
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type TestTask, TestWorld } from '../src/fs/testing.ts';

/** One operation: how the host does it, and how a system call does. */
type Operation = readonly [name: string, a: string, b: string];

const NAMES = [
  'a',
  'b',
  'a/b',
  'b/a',
  'a/b/c',
  'a/.',
  'a/..',
  'b/',
  'a/b/',
  'l',
  'l/a',
  'l/',
  '.',
  '..',
  'x/y',
  '',
  'a//b',
  'a/../b',
  'l/../a',
  'm',
  'm/',
  'a/l',
  'n'.repeat(300),
];

function hostResult(run: () => unknown): number | string {
  try {
    run();
    return 0;
  } catch (error) {
    return (error as { errno?: number }).errno ?? String(error);
  }
}

/** Joined by hand: node's join would tidy the path. */
function onHost(root: string, [name, a, b]: Operation): number | string {
  const at = (path: string) => (path === '' ? '' : `${root}/${path}`);
  switch (name) {
    case 'mkdir':
      return hostResult(() => fs.mkdirSync(at(a), 0o755));
    case 'rmdir':
      return hostResult(() => fs.rmdirSync(at(a)));
    case 'unlink':
      return hostResult(() => fs.unlinkSync(at(a)));
    case 'rename':
      return hostResult(() => fs.renameSync(at(a), at(b)));
    case 'link':
      return hostResult(() => fs.linkSync(at(a), at(b)));
    case 'symlink':
      return hostResult(() => fs.symlinkSync(a, at(b)));
    case 'creat':
      return hostResult(() =>
        fs.closeSync(fs.openSync(at(a), fs.constants.O_CREAT | fs.constants.O_WRONLY, 0o644)),
      );
    case 'excl':
      return hostResult(() =>
        fs.closeSync(
          fs.openSync(at(a), fs.constants.O_CREAT | fs.constants.O_EXCL | fs.constants.O_WRONLY, 0o644),
        ),
      );
    case 'open':
      return hostResult(() => fs.closeSync(fs.openSync(at(a), fs.constants.O_RDONLY)));
    case 'nofollow':
      return hostResult(() =>
        fs.closeSync(fs.openSync(at(a), fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW)),
      );
    case 'directory':
      return hostResult(() =>
        fs.closeSync(fs.openSync(at(a), fs.constants.O_RDONLY | fs.constants.O_DIRECTORY)),
      );
    case 'stat':
      return hostResult(() => fs.statSync(at(a)));
    case 'lstat':
      return hostResult(() => fs.lstatSync(at(a)));
    case 'truncate':
      return hostResult(() => fs.truncateSync(at(a), 5));
    default:
      return hostResult(() => fs.readlinkSync(at(a)));
  }
}

function inGuest(task: TestTask, root: string, [name, a, b]: Operation): number {
  const at = (path: string) => (path === '' ? '' : `${root}/${path}`);
  const buffer = task.allocate(4096);
  const opened = (flags: number) => {
    const fd = task.call('open', at(a), flags, 0o644);
    if (fd >= 0) task.call('close', fd);
    return Math.min(fd, 0);
  };
  switch (name) {
    case 'mkdir':
      return task.call('mkdir', at(a), 0o755);
    case 'rmdir':
    case 'unlink':
      return task.call(name, at(a));
    case 'rename':
    case 'link':
      return task.call(name, at(a), at(b));
    case 'symlink':
      return task.call('symlink', a, at(b));
    case 'creat':
      return opened(0o101);
    case 'excl':
      return opened(0o301);
    case 'open':
      return opened(0);
    case 'nofollow':
      return opened(0o400000);
    case 'directory':
      return opened(0o200000);
    case 'stat':
      return task.call('stat64', at(a), buffer);
    case 'lstat':
      return task.call('lstat64', at(a), buffer);
    case 'truncate': {
      const fd = task.call('open', at(a), 2, 0);
      if (fd < 0) return fd;
      const result = task.call('ftruncate64', fd, 5, 0);
      task.call('close', fd);
      return result;
    }
    default:
      return Math.min(0, task.call('readlink', at(a), buffer, 4096));
  }
}

/** Everything below a directory, as text. */
function hostTree(path: string): string[] {
  return fs
    .readdirSync(path, { withFileTypes: true })
    .flatMap((entry) => {
      const child = join(path, entry.name);
      if (entry.isSymbolicLink()) return [`${entry.name} -> ${fs.readlinkSync(child)}`];
      const { size, nlink } = fs.lstatSync(child);
      if (entry.isDirectory())
        return [`${entry.name}/`, ...hostTree(child).map((line) => `${entry.name}/${line}`)];
      return [`${entry.name} ${size} ${nlink}`];
    })
    .sort();
}

function guestTree(task: TestTask, path: string): string[] {
  const names = task.names(path);
  if (typeof names === 'number') return [`error ${names}`];
  return names
    .flatMap((name) => {
      const child = `${path}/${name}`;
      const stat = task.stat(child, 'lstat64');
      if (typeof stat === 'number') return [`error ${stat}`];
      const type = stat.mode & 0o170000;
      if (type === 0o120000) {
        const buffer = task.allocate(4096);
        const length = task.call('readlink', child, buffer, 4096);
        return [`${name} -> ${String.fromCharCode(...task.user.bytes.subarray(buffer, buffer + length))}`];
      }
      if (type === 0o040000) return [`${name}/`, ...guestTree(task, child).map((line) => `${name}/${line}`)];
      return [`${name} ${stat.size} ${stat.nlink}`];
    })
    .sort();
}

const OPERATIONS = [
  'mkdir',
  'mkdir',
  'rmdir',
  'unlink',
  'rename',
  'rename',
  'link',
  'symlink',
  'creat',
  'creat',
  'excl',
  'open',
  'nofollow',
  'directory',
  'stat',
  'lstat',
  'truncate',
  'readlink',
];

describe('random operations', () => {
  let host = '';
  beforeAll(() => {
    host = fs.mkdtempSync(join(tmpdir(), 'domu-tree-'));
  });
  afterAll(() => fs.rmSync(host, { recursive: true, force: true }));

  it('give the errors and the tree that the host gives', () => {
    const name = fc.constantFrom(...NAMES);
    const operation = fc.tuple(fc.constantFrom(...OPERATIONS), name, name);
    let run = 0;
    fc.assert(
      fc.property(fc.array(operation, { minLength: 10, maxLength: 60 }), (operations) => {
        // Links may lead up and out: far enough down, they stay among what this run has made.
        const own = join(host, String(run++));
        const root = join(own, 'p/q/s/t/r');
        fs.mkdirSync(root, { recursive: true });
        const uid = process.getuid?.() ?? 0;
        const ids = { uid, gid: uid, euid: uid, egid: uid, suid: uid, sgid: uid, fsuid: uid, fsgid: uid };
        const world = new TestWorld();
        const task = world.task(1, { ...ids, fsuid: 0 });
        for (const path of ['/p', '/p/q', '/p/q/s', '/p/q/s/t', '/p/q/s/t/r'])
          task.call('mkdir', path, 0o777);
        for (const step of operations) {
          const expected = onHost(root, step);
          const got = inGuest(task, '/p/q/s/t/r', step);
          if (got !== expected) throw new Error(`${step.join(' ')}: host ${expected}, here ${got}`);
        }
        expect(guestTree(task, '/p/q/s/t/r')).toEqual(hostTree(root));
        fs.rmSync(own, { recursive: true, force: true });
      }),
      { numRuns: 40, seed: 1 },
    );
  });
});
