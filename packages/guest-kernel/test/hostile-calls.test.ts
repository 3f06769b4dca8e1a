/** File system calls with arguments that make no sense: they answer or sleep, and never throw. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { MemoryDisk, type TestTask, TestWorld } from '../src/fs/testing.ts';
import { allFileCalls } from '../src/syscall/file-calls.ts';
import { WaitQueue } from '../src/task/wait.ts';

const PATHS = [
  '/',
  '/f',
  '/d',
  '/d/f',
  '/l',
  '/dev/tty',
  '/dev/null',
  '/dev/ptmx',
  '/dev/pts/0',
  '/dev/hvc0',
  '/fifo',
  '/dev/xvda',
  '.',
  '',
  '/proc/self/fd/0',
  '/d/..',
  'tmpfs',
  '/mnt',
];

function prepare(): { task: TestTask; pointers: number[] } {
  const world = new TestWorld({ cacheBytes: 1 << 20, memoryBytes: 1 << 20 });
  const task = world.task();
  for (const dir of ['/dev', '/d', '/mnt']) task.call('mkdir', dir, 0o755);
  task.call('mount', 'dev', '/dev', 'devtmpfs', 0, 0);
  task.call('mount', 'pts', '/dev/pts', 'devpts', 0, 0);
  world.side.disks.add('xvda', new MemoryDisk(new Uint8Array(1 << 16))).next('event');
  world.side.addConsole({ write: (bytes) => bytes.length, writable: new WaitQueue() });
  task.writeFile('/f', 'some text');
  task.call('symlink', 'f', '/l');
  task.call('mknod', '/fifo', 0o010644, 0);
  const data = Array.from({ length: 8 }, () => task.allocate(256));
  return {
    task,
    pointers: [...PATHS.map((path) => task.place(path)), ...data, 0, 100, 0xffffffff, 0xc0000000],
  };
}

it('random calls with random arguments', () => {
  const names = Object.keys(allFileCalls);
  const small = fc.oneof(
    fc.nat(12),
    fc.constantFrom(-1, -100, 0x7fffffff, 0x80000000, 4096, 65536, 0o102, 0o1101),
  );
  const ioctls = fc.oneof(fc.integer({ min: 0x5401, max: 0x5460 }), fc.integer({ min: 0x1250, max: 0x1280 }));
  const argument = fc.oneof(
    { weight: 5, arbitrary: fc.nat(40).map((index) => ({ pointer: index })) },
    { weight: 5, arbitrary: small },
    { weight: 1, arbitrary: ioctls },
    { weight: 1, arbitrary: fc.integer() },
  );
  const call = fc.tuple(fc.nat(names.length - 1), fc.array(argument, { minLength: 6, maxLength: 6 }));
  fc.assert(
    fc.property(fc.array(call, { minLength: 30, maxLength: 80 }), (calls) => {
      const { task, pointers } = prepare();
      for (const [which, args] of calls) {
        const words = args.map((arg) =>
          typeof arg === 'number' ? arg : pointers[arg.pointer % pointers.length]!,
        );
        const running = task.start(names[which]!, ...words);
        if (running.result === undefined) running.wake('signal');
        if (running.result !== undefined) expect(Number.isSafeInteger(running.result)).toBe(true);
      }
    }),
    { numRuns: Number(process.env.DOMU_RUNS ?? 60), seed: 1 },
  );
});
