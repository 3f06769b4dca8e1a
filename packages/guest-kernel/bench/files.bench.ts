/** The file side alone, without a CPU: system calls over plain memory and a disk in memory. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bench, describe } from 'vitest';
import { O_CREAT, O_RDWR } from '../src/abi/fcntl.ts';
import { MemoryDisk, type TestTask, TestWorld } from '../src/fs/testing.ts';

const CHUNK = 65536;
const FILE_BYTES = 16 << 20;

function makeFile(task: TestTask, path: string, buffer: number): number {
  const fd = task.call('open', path, O_CREAT | O_RDWR, 0o644);
  for (let done = 0; done < FILE_BYTES; done += CHUNK) task.call('write', fd, buffer, CHUNK);
  return fd;
}

function readAll(task: TestTask, fd: number, buffer: number): void {
  task.call('lseek', fd, 0, 0);
  while (task.call('read', fd, buffer, CHUNK) > 0);
}

/** An ext2 of 32 MiB, or nothing without e2fsprogs. */
function image(): Uint8Array | undefined {
  const dir = mkdtempSync(join(tmpdir(), 'domu-bench-'));
  const path = join(dir, 'image');
  const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` };
  const tool = (name: string, args: string[]) => spawnSync(name, args, { env });
  const made = tool('mke2fs', ['-q', '-F', '-t', 'ext2', '-b', '4096', path, '32m']);
  const bytes = made.status === 0 ? new Uint8Array(readFileSync(path)) : undefined;
  rmSync(dir, { recursive: true });
  return bytes;
}

describe('file side', () => {
  const task = new TestWorld({ cacheBytes: 1 << 20 }).task();
  const buffer = task.allocate(CHUNK);
  const ends = task.allocate(8);
  task.call('pipe', ends);
  const [reader, writer] = [task.user.read32(ends)!, task.user.read32(ends + 4)!];
  bench('pipe, 64 KiB through', () => {
    task.call('write', writer, buffer, CHUNK);
    task.call('read', reader, buffer, CHUNK);
  });

  task.call('mkdir', '/a', 0o755);
  task.call('mkdir', '/a/b', 0o755);
  const tmp = makeFile(task, '/a/b/file', buffer);
  bench('tmpfs, 16 MiB read', () => readAll(task, tmp, buffer));

  const path = task.place('/a/b/file');
  const stat = task.allocate(96);
  bench('stat64 of /a/b/file', () => {
    task.call('stat64', path, stat);
  });

  const bytes = image();
  if (bytes === undefined) return;
  const world = new TestWorld({ cacheBytes: 1 << 20 });
  const other = world.task();
  other.call('mkdir', '/dev', 0o755);
  other.call('mkdir', '/mnt', 0o755);
  other.call('mount', 'dev', '/dev', 'devtmpfs', 0, 0);
  world.side.disks.add('xvda', new MemoryDisk(bytes)).next('event');
  other.call('mount', '/dev/xvda', '/mnt', 'ext2', 0, 0);
  const into = other.allocate(CHUNK);
  const fd = makeFile(other, '/mnt/file', into);
  other.call('sync');
  bench('ext2, 16 MiB read from the disk', () => readAll(other, fd, into));
});
