import { type BlkBackOptions, MemoryBlockStore } from '@domu/backends';
import type { BlkfrontLimits } from '@domu/blkfront';
import { BlkifResponse, domId, gref, port, Sring } from '@domu/xen-abi';
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { BACKEND, BlockWorld, FRONTEND } from './block-world.ts';
import { soak } from './soak.ts';
import { GUEST } from './world.ts';

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

describe.each<[string, Partial<BlkfrontLimits>, BlkBackOptions['features']]>([
  ['with what both offer', {}, {}],
  ['with one page, eleven segments, grants for each request', { segments: 11, persistent: false }, {}],
  ['with rings of 16 pages', { ringPageOrder: 4 }, {}],
  ['with four rings of two pages', { ringPageOrder: 1, queues: 4, persistent: false }, {}],
  ['with requests of a megabyte', { segments: 4096 }, { persistent: false }],
  ['with few pages', { pages: 16, segments: 64 }, {}],
])('%s', (_, limits, features) => {
  test('every byte arrives, backends come and go, nothing stays behind', () => {
    world.startBack(disk, { features });
    world.startFront(limits);
    world.settle();
    expect(Buffer.compare(world.read(0, SECTORS), bytes)).toBe(0);
    const all = Uint8Array.from(bytes, (byte) => byte ^ 0x77);
    expect(world.write(0, all)).toBe(0);
    expect(Buffer.compare(bytes, all)).toBe(0);
    const { remains, connections } = soak({ requests: 2000, reconnections: 10, seed: 7, limits });
    // A backend that is back before the frontend has looked takes up the ring where the other left it.
    expect([remains, connections > 4]).toEqual([[0, 0, 0, 0], true]);
  });
});

test('what was negotiated is what was asked for', () => {
  world.startBack(disk);
  world.startFront({ ringPageOrder: 1, queues: 2 });
  world.settle();
  const nodes = ['ring-page-order', 'multi-queue-num-queues', 'ring-ref', 'queue-1/ring-ref0', 'protocol'];
  expect(nodes.map((name) => world.frontend(name) !== null)).toEqual([true, true, false, true, true]);
  expect(world.frontend('queue-2/event-channel')).toBeNull();
});

test('pages stay mapped with persistent grants, and only then', () => {
  world.startBack(disk);
  world.startFront({ persistent: false });
  world.settle();
  world.read(0, 64);
  expect(world.nrMapped).toBe(1);
  world.front?.close(() => {});
  world.settle();
  world.store.write(`${FRONTEND}/state`, '1');
  world.settle();
  world.startFront();
  world.settle();
  world.read(0, 64);
  expect(world.nrMapped).toBe(1 + 8);
});

test('discards reach the disk; what cannot be done is said so', () => {
  world.startBack(disk);
  world.startFront();
  world.settle();
  expect(world.front?.disk?.discard).toEqual({ granularity: 512, alignment: 0, secure: false });
  expect(world.ask((front, done) => front.discard(8, 16, { secure: false }, done))).toBe(0);
  expect(bytes.subarray(8 * 512, 24 * 512).every((byte) => byte === 0)).toBe(true);
  expect(world.ask((front, done) => front.discard(8, 16, { secure: true }, done))).toBe(-2);
  expect(world.ask((front, done) => front.discard(SECTORS, 1, { secure: false }, done))).toBe(-1);
});

test('another medium in the drive is another size', () => {
  const sizes: (number | undefined)[] = [];
  const back = world.startBack(new MemoryBlockStore(bytes, { readonly: true }), {
    cdrom: true,
    removable: true,
  });
  const front = world.startFront({}, () => sizes.push(front.disk?.sectors));
  world.settle();
  expect(front.disk).toMatchObject({ cdrom: true, removable: true, readonly: true });
  back.changeMedium(new MemoryBlockStore(new Uint8Array(100 * 512).fill(3), { readonly: true }));
  world.settle();
  expect([sizes, world.read(99, 1)[0]]).toEqual([[SECTORS, 100], 3]);
  expect(world.ask((_, done) => front.read(100, new Uint8Array(512), done))).toBe(-1);
});

describe('a backend that lies', () => {
  /** Plays the backend by hand. @returns the ring's page */
  function connectByHand(): { page: Uint8Array; view: DataView; notify: () => void } {
    world.store.write(`${BACKEND}/state`, '2');
    world.startFront({ persistent: false });
    world.settle();
    const page = world.host.mapGrant(domId(GUEST), gref(Number(world.frontend('ring-ref'))), {
      readonly: false,
    });
    const bound = world.host.bindInterdomain(
      domId(GUEST),
      port(Number(world.frontend('event-channel'))),
      () => {},
    );
    if (typeof page === 'number' || typeof bound === 'number') throw new Error('cannot connect');
    world.store.write(`${BACKEND}/sectors`, '100');
    world.store.write(`${BACKEND}/state`, '4');
    world.settle();
    return {
      page: page.bytes,
      view: new DataView(page.bytes.buffer, page.bytes.byteOffset),
      notify: bound.notify,
    };
  }

  test.each<[string, (view: DataView) => void]>([
    ['answers more than was asked', (view) => Sring.rsp_prod.set(view, 0, 2)],
    ['has an index from nowhere', (view) => Sring.rsp_prod.set(view, 0, 0xffff_fff0)],
    [
      'answers with an id that it was not given',
      (view) => {
        BlkifResponse.id.set(view, 64, 77n);
        Sring.rsp_prod.set(view, 0, 1);
      },
    ],
    [
      'answers a read as a write',
      (view) => {
        BlkifResponse.operation.set(view, 64, 1);
        Sring.rsp_prod.set(view, 0, 1);
      },
    ],
  ])('and %s is left; requests are refused', (_, lie) => {
    const { view, notify } = connectByHand();
    const statuses: number[] = [];
    world.front?.read(0, new Uint8Array(512), (status) => statuses.push(status));
    lie(view);
    notify();
    world.settle();
    expect([statuses, world.front?.metrics.broken, world.front?.disk]).toEqual([[-1], 1, null]);
    expect(world.frontend('state')).toBe('5');
  });

  test('and writes anything anywhere into the ring makes nothing throw', () => {
    const scribble = fc.record({
      at: fc.oneof(fc.nat(4000), fc.integer({ min: 0, max: 80 })),
      bytes: fc.uint8Array({ maxLength: 24 }),
    });
    fc.assert(
      fc.property(fc.array(scribble, { minLength: 1, maxLength: 8 }), (steps) => {
        world = new BlockWorld();
        world.plug();
        const { page, notify } = connectByHand();
        let answers = 0;
        for (const { at, bytes: garbage } of steps) {
          world.front?.read(0, new Uint8Array(512), () => answers++);
          page.set(garbage, at);
          notify();
          world.settle();
        }
        world.store.rm(BACKEND);
        world.settle();
        expect(answers).toBe(steps.length);
      }),
      { numRuns: 40, seed: 3 },
    );
  });

  test.each([{ sectors: 'many' }, { sectors: '-1' }, { 'sector-size': '1000' }, { 'sector-size': '65536' }])(
    'about the disk, %j, is not used',
    (nodes) => {
      world.store.write(`${BACKEND}/sectors`, '100');
      for (const [name, value] of Object.entries(nodes)) world.store.write(`${BACKEND}/${name}`, value);
      world.store.write(`${BACKEND}/state`, '2');
      const front = world.startFront();
      world.settle();
      world.store.write(`${BACKEND}/state`, '4');
      world.settle();
      expect([front.disk, front.endedBecause === null]).toEqual([null, false]);
      world.store.write(`${BACKEND}/state`, '6');
      world.settle();
      expect([front.nrPagesHeld, world.nrPages, world.nrPorts]).toEqual([0, 0, 0]);
    },
  );

  test('and closes again and again is given up', () => {
    world.startBack(disk).close();
    const front = world.startFront();
    let rounds = 0;
    world.settle();
    for (; front.endedBecause === null && rounds < 50; rounds++) {
      world.store.write(`${BACKEND}/state`, '2');
      world.settle();
      world.store.write(`${BACKEND}/state`, '6');
      world.settle();
    }
    expect([rounds < 20, front.endedBecause]).toEqual([true, 'the backend does not serve this frontend']);
    expect(world.remains).toEqual([0, 0, 0, 0]);
  });
});
