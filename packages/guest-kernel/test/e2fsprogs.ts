/** Images made and judged by e2fsprogs, and mounted by us. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { MemoryDisk, type TestTask, TestWorld } from '../src/fs/testing.ts';

const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin`, LC_ALL: 'C' };
const run = (command: string, args: readonly string[], input?: string) =>
  spawnSync(command, args, { env, encoding: 'latin1', input });

/** A folder for images, and what is done with them. */
export class Images {
  readonly dir: string = mkdtempSync(join(tmpdir(), 'domu-ext-'));
  #made = 0;

  path(): string {
    return join(this.dir, `${this.#made++}`);
  }

  remove(): void {
    rmSync(this.dir, { recursive: true, force: true });
  }

  /** An ext2, unless options say something else. */
  mke2fs(kib: number, ...options: string[]): Uint8Array {
    const image = this.path();
    const type = options.includes('-t') ? [] : ['-t', 'ext2'];
    const result = run('mke2fs', ['-q', '-F', ...type, ...options, image, String(kib)]);
    if (result.status !== 0) throw new Error(`mke2fs: ${result.stderr || result.error}`);
    return this.#take(image);
  }

  /** What e2fsck says of an image. */
  e2fsck(bytes: Uint8Array): string {
    const image = this.path();
    writeFileSync(image, bytes);
    const result = run('e2fsck', ['-fn', image]);
    rmSync(image);
    return result.status === 0 ? 'clean' : result.stdout;
  }

  /** What becomes of an image that e2fsck changes: it replays the journal, with -D it makes indexes. */
  changedByE2fsck(bytes: Uint8Array, ...options: string[]): Uint8Array {
    const image = this.path();
    writeFileSync(image, bytes);
    const result = run('e2fsck', [...options, image]);
    if ((result.status ?? 9) > 1) throw new Error(`e2fsck: ${result.stdout}${result.stderr}`);
    return this.#take(image);
  }

  /** Runs commands of debugfs on an image. @returns what they print */
  debugfs(bytes: Uint8Array, ...commands: string[]): string {
    const image = this.path();
    writeFileSync(image, bytes);
    const result = run('debugfs', ['-w', '-f', '-', image], `${commands.join('\n')}\n`);
    bytes.set(this.#take(image));
    return result.stdout;
  }

  /** A file's contents, as debugfs sees them. */
  dump(bytes: Uint8Array, path: string): string {
    const file = this.path();
    this.debugfs(bytes, `dump ${path} ${file}`);
    return Buffer.from(this.#take(file)).toString('latin1');
  }

  #take(path: string): Uint8Array {
    const bytes = new Uint8Array(readFileSync(path));
    rmSync(path);
    return bytes;
  }
}

export interface Mounted {
  readonly task: TestTask;
  readonly disk: MemoryDisk;
  /** The kernel's log. */
  readonly log: readonly string[];
  unmount(): void;
}

export interface MountOptions {
  readonly flags?: number;
  readonly type?: string;
  readonly data?: string;
  readonly cacheBytes?: number;
}

/** Tries to mount a disk at /mnt. @returns what mount(2) says, and the world */
export function tryMount(disk: MemoryDisk, options: MountOptions = {}): Mounted & { result: number } {
  const world = new TestWorld({ cacheBytes: options.cacheBytes ?? 1 << 20 });
  world.nowNs = 1_700_000_000_123_456_789n;
  const task = world.task();
  task.call('mkdir', '/dev', 0o755);
  task.call('mkdir', '/mnt', 0o755);
  task.call('mount', 'dev', '/dev', 'devtmpfs', 0, 0);
  expect(world.side.disks.add('xvda', disk).next('event').value).toBe(0);
  const { flags = 0, type = 'ext2', data = 0 } = options;
  const result = task.call('mount', '/dev/xvda', '/mnt', type, flags, data);
  const unmount = () => expect(task.call('umount2', '/mnt', 0)).toBe(0);
  return { task, disk, log: world.log, unmount, result };
}

export function mount(bytes: Uint8Array, options: MountOptions = {}): Mounted {
  const mounted = tryMount(new MemoryDisk(bytes), options);
  expect([mounted.result, ...mounted.log]).toEqual([0]);
  return mounted;
}
