/** Damaged images of ext4 and ext3, with something in the journal: nothing throws, and nothing goes on for ever. DOMU_RUNS=N: so many images of each kind. */
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { O_CREAT, O_RDWR } from '../src/abi/fcntl.ts';
import { MemoryDisk, type TestTask } from '../src/fs/testing.ts';
import type { Op } from '../src/task/wait.ts';
import { Images, mount, tryMount } from './e2fsprogs.ts';

const RUNS = Number(process.env.DOMU_RUNS ?? 15);
/** More transfers than any sound work with these images takes. */
const MAX_TRANSFERS = 100_000;

const MAX_READ_BYTES = 4 << 20;

const images = new Images();
afterAll(() => images.remove());

class CountingDisk extends MemoryDisk {
  transfers = 0;

  override read(sector: number, into: Uint8Array): Op<number> {
    this.#count();
    return super.read(sector, into);
  }

  override write(sector: number, from: Uint8Array): Op<number> {
    this.#count();
    return super.write(sector, from);
  }

  #count(): void {
    if (this.transfers++ > MAX_TRANSFERS) throw new Error('it goes on and on');
  }
}

/** An image as a loss of power leaves it: an index, a tree of extents, orphans, and a journal to replay. */
function used(...options: string[]): Uint8Array {
  const image = images.mke2fs(8192, ...options, '-b', '1024');
  const { task, disk } = mount(image, { type: 'ext4' });
  task.call('mkdir', '/mnt/d', 0o755);
  for (let index = 0; index < 200; index++) task.writeFile(`/mnt/d/name-${index}`, `text ${index}`);
  const fd = task.call('open', '/mnt/pieces', O_CREAT | O_RDWR, 0o644);
  for (let index = 0; index < 400; index++) {
    task.call('lseek', fd, index * 3000, 0);
    task.writeText(fd, 'piece');
    if (index === 300) task.call('sync');
  }
  task.call('symlink', 'l'.repeat(200), '/mnt/link');
  for (let index = 0; index < 3; index++) {
    task.call('open', `/mnt/d/name-${index}`, O_RDWR);
    task.call('unlink', `/mnt/d/name-${index}`);
  }
  task.call('sync');
  return disk.bytes;
}

/** Places that hold something, and what may be put there. */
function damageTo(image: Uint8Array) {
  const places: number[] = [];
  for (let at = 1024; at < image.length; at += 4)
    if ((image[at]! | image[at + 1]! | image[at + 2]! | image[at + 3]!) !== 0) places.push(at);
  const place = fc.oneof(
    fc.nat(places.length - 1).map((index) => places[index]!),
    fc.nat(255).map((word) => 1024 + 4 * word),
    fc.nat(1023).map((word) => 2048 + 4 * word),
  );
  const value = fc.oneof(
    fc.integer(),
    fc.constantFrom(0, 1, -1, 0x7fffffff, 0xf30a, 8191, 8192),
    fc.nat(8192),
  );
  return fc.array(fc.tuple(place, fc.nat(3), value, fc.constantFrom(1, 2, 4)), {
    minLength: 1,
    maxLength: 40,
  });
}

function use(task: TestTask): void {
  const names = task.names('/mnt');
  for (const name of typeof names === 'number' ? [] : names.slice(0, 20)) {
    const path = `/mnt/${name}`;
    const stat = task.stat(path, 'lstat64');
    // A damaged size is a size: reading a terabyte of holes takes its time.
    if (typeof stat !== 'number' && stat.size < MAX_READ_BYTES) task.readFile(path);
    task.names(path);
    task.call('truncate64', path, 5000, 0);
  }
  for (let index = 0; index < 200; index += 17) {
    const stat = task.stat(`/mnt/d/name-${index}`);
    if (typeof stat !== 'number' && stat.size < MAX_READ_BYTES) task.readFile(`/mnt/d/name-${index}`);
    const fd = task.call('open', `/mnt/d/more-${index}`, O_CREAT | O_RDWR, 0o644);
    if (fd < 0) continue;
    task.writeText(fd, 'x'.repeat(3000));
    task.call('close', fd);
    task.call('unlink', `/mnt/d/name-${index}`);
  }
  const fd = task.call('open', '/mnt/pieces', O_RDWR);
  if (fd >= 0) {
    task.call('fallocate', fd, 3, 100_000, 0, 300_000, 0);
    task.call('lseek', fd, 50_000, 0);
    task.writeText(fd, 'x'.repeat(100_000));
    task.call('fsync', fd);
    task.call('close', fd);
  }
  task.call('unlink', '/mnt/pieces');
  task.call('rename', '/mnt/d', '/mnt/e');
  task.call('umount2', '/mnt', 0);
}

it('a table of pointers that leads to itself does not keep truncate busy for ever', () => {
  const image = images.mke2fs(8192, '-b', '4096');
  const first = mount(image);
  const fd = first.task.call('open', '/mnt/f', O_CREAT | O_RDWR, 0o644);
  // Triple indirection begins here.
  const at = 4096 * (12 + 1024 + 1024 * 1024);
  first.task.call('_llseek', fd, Math.floor(at / 2 ** 32), at % 2 ** 32, 8192, 0);
  expect(first.task.writeText(fd, 'x')).toBe(1);
  first.task.call('close', fd);
  first.unmount();
  const table = Number(/\(TIND\):(\d+)/.exec(images.debugfs(image, 'stat /f'))?.[1]);
  new Uint32Array(image.buffer, table * 4096, 1024).fill(table);
  const { task } = tryMount(new CountingDisk(image));
  task.call('truncate64', '/mnt/f', 0, 0);
  expect(task.stat('/mnt/f')).toMatchObject({ size: 0 });
});

describe.each([
  ['ext4', '-t', 'ext4'],
  ['ext4 without checksums', '-t', 'ext4', '-O', '^metadata_csum'],
  ['ext3', '-t', 'ext3'],
])('a damaged %s', (_name, ...options) => {
  it('is mounted and used, or refused', () => {
    const image = used(...options);
    let mounted = 0;
    fc.assert(
      fc.property(damageTo(image), (damage) => {
        const bytes = image.slice();
        const view = new DataView(bytes.buffer);
        for (const [place, offset, value, width] of damage) {
          const at = Math.min(place + offset, bytes.length - 4);
          if (width === 1) view.setUint8(at, value);
          else if (width === 2) view.setUint16(at, value, true);
          else view.setInt32(at, value, true);
        }
        const { task, result } = tryMount(new CountingDisk(bytes), { type: 'ext4' });
        if (result < 0) return;
        mounted++;
        use(task);
      }),
      { numRuns: RUNS, seed: 7 },
    );
    expect(mounted).toBeGreaterThan(0);
  });
});
