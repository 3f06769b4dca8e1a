/**
 * The power goes while an ext3 or ext4 is written: whatever of the unflushed writes reached the disk, replaying the journal
 * leaves a file system in which e2fsck finds nothing and every file whose fsync returned. DOMU_CRASHES=N: so many crashes.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { E } from '../src/abi/errno.ts';
import { O_CREAT, O_RDWR } from '../src/abi/fcntl.ts';
import { MemoryDisk, type Running, type TestTask, TestWorld } from '../src/fs/testing.ts';
import { type Op, WaitQueue } from '../src/task/wait.ts';

const CRASHES = Number(process.env.DOMU_CRASHES ?? 3);
const STEPS = 400;
const IMAGE_BYTES = 9 << 20;
const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin`, LC_ALL: 'C' };
const run = (command: string, ...args: string[]) => spawnSync(command, args, { env, encoding: 'latin1' });

let dir = '';
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'domu-crash-'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** Numbers that repeat with the seed (mulberry32). */
function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

interface Crash {
  readonly image: Uint8Array;
  readonly safe: ReadonlyMap<string, string>;
  readonly leaving: ReadonlyMap<string, string>;
}

/** What the disk held before there was a file system: no file may show it. */
const OLD = 0xee;

/** A disk with a volatile cache: at chosen writes, what a loss of power would leave is kept. */
class CrashingDisk extends MemoryDisk {
  readonly crashes: Crash[] = [];
  /** Files whose fsync returned. */
  readonly safe = new Map<string, string>();
  /** Files that were removed since: if one is there, it is whole. */
  readonly leaving = new Map<string, string>();
  readonly #random: (below: number) => number;
  readonly #period: number;
  #durable: Uint8Array;
  #volatile: [sector: number, bytes: Uint8Array][] = [];

  constructor(bytes: Uint8Array, random: (below: number) => number, period: number) {
    super(bytes);
    this.#random = random;
    this.#period = period;
    this.#durable = bytes.slice();
  }

  override *write(sector: number, from: Uint8Array): Op<number> {
    this.#volatile.push([sector, from.slice()]);
    const done = yield* super.write(sector, from);
    if (this.#random(this.#period) === 0) this.#crash();
    return done;
  }

  override *flush(): Op<number> {
    if (this.#random(this.#period) === 0) this.#crash();
    for (const [sector, bytes] of this.#volatile) this.#durable.set(bytes, sector * 512);
    this.#volatile = [];
    return 0;
  }

  /** Each sector that was not flushed may be there or not. */
  #crash(): void {
    if (this.crashes.length >= CRASHES) return;
    const image = this.#durable.slice();
    const kept = this.#random(5);
    for (const [sector, bytes] of this.#volatile) {
      for (let at = 0; at < bytes.length; at += 512) {
        const stays = kept === 4 || (kept > 0 && this.#random(4) < kept);
        if (stays) image.set(bytes.subarray(at, at + 512), sector * 512 + at);
      }
    }
    this.crashes.push({ image, safe: new Map(this.safe), leaving: new Map(this.leaving) });
  }
}

/** The same, slow: each transfer ends when the test says so, and takes its bytes then only. */
class SlowDisk extends CrashingDisk {
  /** From now on. */
  isSlow = false;
  readonly waiting: WaitQueue[] = [];

  override *read(sector: number, into: Uint8Array): Op<number> {
    yield* this.#wait();
    return yield* super.read(sector, into);
  }

  override *write(sector: number, from: Uint8Array): Op<number> {
    yield* this.#wait();
    return yield* super.write(sector, from);
  }

  override *flush(): Op<number> {
    yield* this.#wait();
    return yield* super.flush();
  }

  *#wait(): Op<void> {
    if (!this.isSlow) return;
    const queue = new WaitQueue();
    this.waiting.push(queue);
    yield { queues: [queue], interruptible: false };
  }
}

/** What one of several tasks does, a system call at a time; its results come back. */
function* worker(
  task: TestTask,
  disk: CrashingDisk,
  name: string,
  random: (below: number) => number,
): Generator<Running, void, number> {
  const texts = new Map<string, string>();
  for (let step = 0; step < 25; step++) {
    const path = `/mnt/${name}${step}`;
    const text = String.fromCharCode(97 + random(26)).repeat(1 + random(40_000));
    const fd = yield task.start('open', path, O_CREAT | O_RDWR, 0o644);
    const written = yield task.start('write', fd, text, text.length);
    const synced = yield task.start(random(2) === 0 ? 'fsync' : 'fdatasync', fd);
    if (written === text.length && synced === 0) {
      texts.set(path, text);
      disk.safe.set(path, text);
    }
    yield task.start('close', fd);
    const shared = yield task.start('open', '/mnt/shared', O_CREAT | O_RDWR, 0o644);
    yield task.start('_llseek', shared, 0, random(100_000), 8192, 0);
    yield task.start('write', shared, text, text.length);
    if (random(3) === 0) yield task.start('ftruncate64', shared, random(60_000), 0);
    yield task.start('close', shared);
    const [old, content] = [...texts][random(texts.size || 1)] ?? ['', ''];
    if (random(3) > 0 || old === '') continue;
    disk.safe.delete(old);
    disk.leaving.set(old, content);
    texts.delete(old);
    yield task.start('unlink', old);
    if (random(2) === 0) yield task.start('sync');
  }
}

/** What the kernel does on its own, some seconds after a change. */
function* writeBack(task: TestTask): Generator<Running, void, number> {
  for (let step = 0; step < 60; step++) yield task.start('sync');
}

/** Several tasks at a time, in an order of chance. */
function workTogether(tasks: readonly TestTask[], disk: SlowDisk, random: (below: number) => number): void {
  const jobs = tasks.map((task, index) => ({
    steps: index === 0 ? writeBack(task) : worker(task, disk, 'abcde'[index]!, random),
    call: undefined as Running | undefined,
  }));
  disk.isSlow = true;
  for (let left = 1_000_000; jobs.length > 0; left--) {
    if (left === 0) throw new Error('they wait for each other');
    const ready = jobs.filter(({ call }) => call === undefined || call.result !== undefined);
    if (ready.length > 0 && (disk.waiting.length === 0 || random(2) === 0)) {
      const job = ready[random(ready.length)]!;
      const { value, done } = job.steps.next(job.call?.result ?? 0);
      if (done === true) jobs.splice(jobs.indexOf(job), 1);
      else job.call = value;
    } else disk.waiting.splice(random(disk.waiting.length), 1)[0]?.wakeAll();
  }
  disk.isSlow = false;
}

function mount(disk: MemoryDisk): { task: TestTask; unmount: () => void; world: TestWorld } {
  const world = new TestWorld({ cacheBytes: 1 << 19 });
  const task = world.task();
  task.call('mkdir', '/dev', 0o755);
  task.call('mkdir', '/mnt', 0o755);
  task.call('mount', 'dev', '/dev', 'devtmpfs', 0, 0);
  world.side.disks.add('xvda', disk).next('event');
  expect(task.call('mount', '/dev/xvda', '/mnt', 'ext4', 0, 0)).toBe(0);
  return { task, unmount: () => expect(task.call('umount2', '/mnt', 0)).toBe(0), world };
}

/** Files that are written once and synced, among others that come, go, shrink and move. */
function work(task: TestTask, disk: CrashingDisk, random: (below: number) => number): void {
  const names = ['a', 'b', 'c', 'd', 'e', 'f', 'sub/g', 'sub/h', 'sub/i'];
  const any = () => `/mnt/${names[random(names.length)]}`;
  const text = (size: number) => String.fromCharCode(33 + random(90)).repeat(size);
  task.call('mkdir', '/mnt/sub', 0o755);
  task.call('mkdir', '/mnt/safe', 0o755);
  for (let step = 0; step < STEPS && disk.crashes.length < CRASHES; step++) {
    switch (random(12)) {
      case 0:
      case 1:
      case 2: {
        const path = `/mnt/safe/${step}`;
        const content = text(random(30_000));
        const fd = task.call('open', path, O_CREAT | O_RDWR, 0o644);
        if (task.writeText(fd, content) === content.length && task.call('fsync', fd) === 0)
          disk.safe.set(path, content);
        task.call('close', fd);
        break;
      }
      case 3: {
        const [path, content] = [...disk.safe][random(disk.safe.size || 1)] ?? ['', ''];
        if (path === '') break;
        disk.safe.delete(path);
        disk.leaving.set(path, content);
        if (random(2) === 0) task.call('unlink', path);
        else if (task.call('rename', path, `${path}r`) === 0 && task.call('sync') === 0)
          disk.safe.set(`${path}r`, content);
        break;
      }
      case 4:
        task.call('truncate64', any(), random(20_000), 0);
        break;
      case 5:
        task.call('unlink', any());
        break;
      case 6:
        task.call('rename', any(), any());
        break;
      case 7:
        task.call('symlink', 't'.repeat(1 + random(100)), any());
        break;
      case 8: {
        const held = task.call('open', any(), O_RDWR);
        if (held >= 0 && random(3) > 0) task.call('close', held);
        break;
      }
      case 9:
        if (random(3) === 0) task.call('sync');
        break;
      default: {
        const fd = task.call('open', any(), O_CREAT | O_RDWR, 0o644);
        if (fd < 0) break;
        task.call('lseek', fd, random(4) === 0 ? random(200_000) : 0, 0);
        task.writeText(fd, text(1 + random(50_000)));
        if (random(4) === 0) task.call('fallocate', fd, 3, random(50_000), 0, 1 + random(50_000), 0);
        task.call('close', fd);
      }
    }
  }
}

/** e2fsck with these options. @returns its output if it is not content */
function fsck(image: string, ...options: string[]): string {
  const { status, stdout } = run('e2fsck', ...options, image);
  return status === 0 || (options.includes('-p') && status === 1) ? '' : stdout;
}

/** A file below a directory that has contents nobody wrote. */
function showsOld(task: TestTask, path: string): string {
  const old = String.fromCharCode(OLD);
  for (const name of task.names(path) as string[]) {
    const child = `${path}/${name}`;
    const content = task.readFile(child);
    if (typeof content === 'string' && content.includes(old)) return child;
    const found = content === -E.ISDIR ? showsOld(task, child) : '';
    if (found !== '') return found;
  }
  return '';
}

const KINDS: readonly (readonly [name: string, ...options: string[]])[] = [
  ['ext4 with 1 KiB blocks', '-t', 'ext4', '-b', '1024'],
  ['ext4 with 4 KiB blocks', '-t', 'ext4', '-b', '4096'],
  ['ext3', '-t', 'ext3', '-b', '1024'],
];

describe.each(KINDS)('%s', (_name, ...options) => {
  const empty = () => {
    const path = join(dir, 'image');
    writeFileSync(path, new Uint8Array(IMAGE_BYTES).fill(OLD));
    const lazy = 'nodiscard,lazy_itable_init=1,lazy_journal_init=1';
    const made = run('mke2fs', '-q', '-F', ...options, '-E', lazy, '-J', 'size=4', path);
    if (made.status !== 0) expect.fail(`mke2fs: ${made.stderr}`);
    return new Uint8Array(readFileSync(path));
  };

  it('survives a loss of power at any time', { timeout: 3_600_000 }, () => {
    const image = empty();
    for (let seed = 1, done = 0; done < CRASHES; seed++) {
      const random = randomOf(seed);
      const disk = new CrashingDisk(image.slice(), random, 60);
      work(mount(disk).task, disk, random);
      for (const [which, crash] of disk.crashes.entries())
        if (done++ < CRASHES) expectSound(`seed ${seed}, crash ${which}`, crash);
    }
  });

  it('survives it with several tasks at work, on a slow disk', { timeout: 3_600_000 }, () => {
    const image = empty();
    for (let seed = 1, done = 0; done < CRASHES; seed++) {
      const random = randomOf(seed);
      const disk = new SlowDisk(image.slice(), random, 40);
      const { world, unmount } = mount(disk);
      workTogether(
        [1, 2, 3, 4].map(() => world.task()),
        disk,
        random,
      );
      for (const [which, crash] of disk.crashes.entries())
        if (done++ < CRASHES) expectSound(`seed ${seed}, crash ${which}`, crash);
      unmount();
      expectSound(`seed ${seed}, unmounted`, { image: disk.bytes, safe: disk.safe, leaving: disk.leaving });
    }
  });
});

/** e2fsck replays the journal and finds nothing; so do we, and every file is as it was synced. */
function expectSound(told: string, { image, safe, leaving }: Crash): void {
  const path = join(dir, 'crashed');
  writeFileSync(path, image);
  expect([told, fsck(path, '-p')]).toEqual([told, '']);
  expect([told, fsck(path, '-fn')]).toEqual([told, '']);
  const mine = new MemoryDisk(image.slice());
  const { task, unmount } = mount(mine);
  for (const [name, content] of safe)
    expect([told, name, task.readFile(name) === content]).toEqual([told, name, true]);
  for (const [name, content] of leaving) {
    const found = task.readFile(name);
    expect([told, name, typeof found === 'number' || found === content]).toEqual([told, name, true]);
  }
  expect([told, showsOld(task, '/mnt')]).toEqual([told, '']);
  unmount();
  writeFileSync(path, mine.bytes);
  expect([told, fsck(path, '-fn')]).toEqual([told, '']);
}
