import { MemoryBlockStore } from '@domu/backends';
import { beforeEach, describe, expect, test } from 'vitest';
import { BlockWorld, FRONTEND } from './block-world.ts';

const SECTORS = 4096;
let world: BlockWorld;
let bytes: Uint8Array;
let disk: MemoryBlockStore;

beforeEach(() => {
  world = new BlockWorld();
  bytes = new Uint8Array(SECTORS * 512);
  for (let i = 0; i < bytes.length; i++) bytes[i] = (i >>> 9) * 7 + i;
  disk = new MemoryBlockStore(bytes);
  world.plug();
});

describe('a disk', () => {
  test('connects, whoever comes first, and tells its size', () => {
    const changes: (number | undefined)[] = [];
    const front = world.startFront({}, () => changes.push(front.disk?.sectors));
    world.settle();
    expect([front.disk, world.frontend('state')]).toEqual([null, '1']);
    world.startBack(disk);
    world.settle();
    expect([world.frontend('state'), world.backend('state'), changes]).toEqual(['4', '4', [SECTORS]]);
    expect(front.disk).toMatchObject({ sectors: SECTORS, readonly: false, cdrom: false, sectorBytes: 512 });
  });

  test('gives what is on it and keeps what is written', () => {
    world.startBack(disk);
    world.startFront();
    world.settle();
    expect(Buffer.compare(world.read(3, 5), bytes.subarray(3 * 512, 8 * 512))).toBe(0);
    expect(Buffer.compare(world.read(0, SECTORS), bytes)).toBe(0);
    expect(world.write(100, new Uint8Array(2000 * 512).fill(0xa5))).toBe(0);
    expect(bytes.subarray(100 * 512, 2100 * 512).every((byte) => byte === 0xa5)).toBe(true);
    expect([bytes[100 * 512 - 1], bytes[2100 * 512]]).not.toContain(0xa5);
  });

  test('leaves nothing behind when it is closed', () => {
    world.startBack(disk);
    const front = world.startFront();
    world.settle();
    world.read(0, 100);
    let closed = 0;
    front.close(() => closed++);
    world.settle();
    expect([closed, world.frontend('state'), world.backend('state')]).toEqual([1, '6', '6']);
    expect(world.remains).toEqual([0, 0, 0, 0]);
    expect(world.ask((_, done) => front.read(0, new Uint8Array(512), done))).toBe(-1);
  });
});

/** Starts both sides, and lets the frontend put requests that the backend has not seen yet. */
function withRequestsInFlight(): { statuses: number[]; into: Uint8Array } {
  world.startBack(disk);
  const front = world.startFront();
  world.settle();
  const statuses: number[] = [];
  const into = new Uint8Array(300 * 512);
  front.read(7, into, (status) => statuses.push(status));
  front.write(2000, new Uint8Array(600 * 512).fill(0x5a), (status) => statuses.push(status));
  return { statuses, into };
}

function expectDone({ statuses, into }: { statuses: number[]; into: Uint8Array }): void {
  expect(statuses).toEqual([0, 0]);
  expect(Buffer.compare(into, bytes.subarray(7 * 512, 307 * 512))).toBe(0);
  expect(bytes.subarray(2000 * 512, 2600 * 512).every((byte) => byte === 0x5a)).toBe(true);
}

describe('requests survive', () => {
  test('a backend that closes and comes again', () => {
    const requests = withRequestsInFlight();
    world.back?.close();
    world.settle();
    expect([world.frontend('state'), requests.statuses]).toEqual(['1', []]);
    expect(world.nrMapped).toBe(0);
    world.startBack(disk);
    world.settle();
    expectDone(requests);
    expect(world.front?.metrics).toMatchObject({ connections: 2, errors: 0 });
    expect(world.front?.metrics.requeued).toBeGreaterThan(0);
  });

  test('a hundred backends, with requests of all kinds on the way', () => {
    world.startBack(disk);
    const front = world.startFront();
    let done = 0;
    for (let i = 0; i < 100; i++) {
      for (let k = 0; k < 10; k++) {
        const mine = new Uint8Array((1 + ((i * k) % 150)) * 512).fill(i + k);
        front.write((i * 10 + k * 37) % 3900, mine, (status) => {
          if (status === 0) done++;
        });
      }
      front.flush((status) => {
        if (status === 0) done++;
      });
      // Something moves before the backend goes, and sometimes everything.
      if (i % 3 === 0) world.settle();
      world.back?.close();
      if (i % 2 === 0) world.settle();
      world.startBack(disk);
    }
    world.settle();
    expect(done).toBe(1100);
    front.close(() => {});
    world.settle();
    expect(world.remains).toEqual([0, 0, 0, 0]);
  });

  test('a suspend and resume', () => {
    const requests = withRequestsInFlight();
    world.resumeElsewhere();
    world.back?.close();
    world.store.rm(FRONTEND);
    world.plug();
    world.startBack(disk);
    world.front?.resume();
    world.settle();
    expectDone(requests);
    expect(world.front?.metrics.connections).toBe(2);
  });

  test('a resume to the backend that was there before', () => {
    const requests = withRequestsInFlight();
    world.resumeElsewhere();
    world.front?.resume();
    world.settle();
    expectDone(requests);
    world.front?.close(() => {});
    world.settle();
    expect(world.remains).toEqual([0, 0, 0, 0]);
  });

  test('that the backend is not there yet', () => {
    const front = world.startFront();
    const into = new Uint8Array(512);
    const statuses: number[] = [];
    front.read(9, into, (status) => statuses.push(status));
    world.settle();
    expect(statuses).toEqual([]);
    world.startBack(disk);
    world.settle();
    expect([statuses, into[0]]).toEqual([[0], bytes[9 * 512]]);
  });
});

describe('requests are refused', () => {
  test('once the device is unplugged; nothing stays behind', () => {
    const { statuses } = withRequestsInFlight();
    world.store.write(`/local/domain/0/backend/vbd/5/51712/online`, '0');
    world.back?.close();
    world.settle();
    expect([statuses, world.front?.disk, world.front?.endedBecause]).toEqual([
      [-1, -1],
      null,
      'the device was unplugged',
    ]);
    expect(world.remains).toEqual([0, 0, 0, 0]);
  });

  test('when the toolstack tears both directories away', () => {
    world.startBack(disk);
    const front = world.startFront();
    world.settle();
    world.store.rm(FRONTEND);
    world.store.rm('/local/domain/0/backend/vbd');
    const statuses: number[] = [];
    front.read(0, new Uint8Array(512), (status) => statuses.push(status));
    world.settle();
    expect(statuses).toEqual([-1]);
    expect(world.frontend('state')).toBeNull();
    expect(world.remains).toEqual([0, 0, 0, 0]);
  });

  test('when they reach beyond the disk, are no whole sectors, or write to what is read-only', () => {
    world.startBack(new MemoryBlockStore(bytes, { readonly: true }));
    world.startFront();
    world.settle();
    expect(world.front?.disk?.readonly).toBe(true);
    const sector = new Uint8Array(512);
    expect(world.ask((front, done) => front.read(SECTORS, sector, done))).toBe(-1);
    expect(world.ask((front, done) => front.read(-1, sector, done))).toBe(-1);
    expect(world.ask((front, done) => front.read(0, new Uint8Array(100), done))).toBe(-1);
    expect(world.ask((front, done) => front.read(0, new Uint8Array(0), done))).toBe(-1);
    expect(world.write(0, sector)).toBe(-1);
    expect(world.ask((front, done) => front.writeBarrier(0, sector, done))).toBe(-1);
    expect(world.ask((front, done) => front.flush(done))).toBe(0);
    expect(world.ask((front, done) => front.read(0, sector, done))).toBe(0);
  });

  test('when the kernel has no page for them', () => {
    world.startBack(disk);
    world.startFront();
    world.settle();
    world.starve(0);
    expect(world.ask((front, done) => front.read(0, new Uint8Array(512), done))).toBe(-1);
    expect(world.ask((front, done) => front.flush(done))).toBe(0);
  });
});

test('with few pages large requests go through in small parts', () => {
  world.startBack(disk);
  world.startFront({ pages: 16 });
  world.settle();
  world.starve(3);
  expect(Buffer.compare(world.read(0, SECTORS), bytes)).toBe(0);
  expect(world.front?.metrics.requests).toBeGreaterThanOrEqual(SECTORS / 8 / 3);
});

test('a barrier comes after what was asked for before it and before what is asked for later', () => {
  const log: string[] = [];
  const logged = new (class extends MemoryBlockStore {
    override write(sector: number, from: Uint8Array): boolean {
      log.push(`write ${sector}`);
      return super.write(sector, from);
    }
    override flush(): boolean {
      log.push('flush');
      return super.flush();
    }
  })(bytes);
  world.startBack(logged);
  const front = world.startFront();
  world.settle();
  const sector = new Uint8Array(512);
  const done = (): void => {};
  for (const large of [false, true]) {
    log.length = 0;
    front.write(1, sector, done);
    front.write(2, sector, done);
    front.writeBarrier(3, large ? new Uint8Array(48 * 1024) : sector, done);
    front.write(4, sector, done);
    world.settle();
    const at = log.map((line) => line.replace(/write (3|11|91)$/, 'barrier'));
    expect(at.slice(0, 3)).toEqual(['write 1', 'write 2', 'flush']);
    expect(at.slice(-2)).toEqual(['flush', 'write 4']);
    expect(log).toContain('write 3');
  }
});
