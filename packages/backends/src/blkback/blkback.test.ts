import {
  BLKIF_OP_FLUSH_DISKCACHE,
  BLKIF_OP_INDIRECT,
  BLKIF_OP_READ,
  BLKIF_OP_WRITE,
  BLKIF_OP_WRITE_BARRIER,
  BLKIF_RSP_EOPNOTSUPP,
  BLKIF_RSP_ERROR,
  BLKIF_RSP_OKAY,
  Sring,
} from '@domu/xen-abi';
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { MemoryBlockStore } from '../block-store/memory-block-store.ts';
import { BACKEND_PATH, FakeHost, FRONTEND_PATH, PORT, RING_GREF, TestFrontend } from '../testing.ts';
import { BlkBack } from './blkback.ts';

const SECTORS = 64;

/** Keeps the order of what reaches the disk. */
class LoggingStore extends MemoryBlockStore {
  readonly log: string[] = [];
  failing = false;
  override read(sector: number, into: Uint8Array): boolean {
    this.log.push(`read ${sector} ${into.length}`);
    return !this.failing && super.read(sector, into);
  }
  override write(sector: number, from: Uint8Array): boolean {
    this.log.push(`write ${sector} ${from.length}`);
    return !this.failing && super.write(sector, from);
  }
  override flush(): boolean {
    this.log.push('flush');
    return !this.failing;
  }
}

let host: FakeHost;
let front: TestFrontend;
let disk: LoggingStore;
let back: BlkBack;

function setUp(readonly = false): void {
  host = new FakeHost();
  front = new TestFrontend(host);
  const bytes = new Uint8Array(SECTORS * 512);
  for (let i = 0; i < bytes.length; i++) bytes[i] = (i >>> 9) + i;
  disk = new LoggingStore(bytes, { readonly });
  back = new BlkBack({ host, store: host.store, path: BACKEND_PATH, disk });
  host.settle();
}

beforeEach(() => setUp());

describe('the connection', () => {
  test('starts at InitWait with the features that are really there', () => {
    expect(front.backendState).toBe('2');
    expect(front.backend('feature-flush-cache')).toBe('1');
    expect(front.backend('feature-barrier')).toBe('1');
    const limits = ['feature-max-indirect-segments', 'max-ring-page-order', 'multi-queue-max-queues'];
    expect(limits.map((name) => front.backend(name))).toEqual(['256', '4', '4']);
    const features = ['feature-persistent', 'feature-discard', 'discard-secure', 'discard-granularity'];
    expect(features.map((name) => front.backend(name))).toEqual(['1', '1', '0', '512']);
  });
  test('publishes the size before it says Connected', () => {
    const seen: (string | null)[] = [];
    host.store.watch(`${BACKEND_PATH}/state`, 't', () =>
      seen.push(front.backendState, front.backend('sectors')),
    );
    front.connect();
    expect(seen).toEqual(['2', null, '4', `${SECTORS}`]);
    expect([front.backend('sector-size'), front.backend('info')]).toEqual(['512', '0']);
  });
  test.each([3, 4])('is made when the frontend goes straight to state %i', (state) => {
    front.connect({}, state);
    expect(front.backendState).toBe('4');
  });
  test('needs no protocol node', () => {
    front.connect({ protocol: 'x86_32-abi' });
    front.setState(6);
    host.store.rm(`${FRONTEND_PATH}/protocol`);
    front.setState(1);
    front.setState(3);
    expect(front.backendState).toBe('4');
  });
  test('serves requests that were in the ring before', () => {
    host.grantPage(20);
    const early = new TestFrontend(host);
    early.connect({}, 1);
    early.put(BLKIF_OP_READ, 0, [{ gref: 20 }]);
    Sring.req_prod.set(early.view, 0, 1);
    early.setState(3);
    expect(early.take()).toMatchObject([{ status: BLKIF_RSP_OKAY }]);
  });
  test.each([
    [{ protocol: 'x86_64-abi' }, 'protocol'],
    [{ 'ring-page-order': '5' }, 'ring-page-order 5'],
    [{ 'ring-page-order': '4294967296' }, 'ring-page-order 4294967296'],
    [{ 'ring-page-order': '1' }, 'ring-ref0'],
    [{ 'ring-page-order': '1', 'ring-ref0': '8', 'ring-ref1': '99' }, 'ring-ref 99'],
    [{ 'num-ring-pages': '3' }, 'num-ring-pages 3'],
    [{ 'num-ring-pages': '32' }, 'num-ring-pages 32'],
    [{ 'multi-queue-num-queues': '0' }, '0 queues'],
    [{ 'multi-queue-num-queues': '5' }, '5 queues'],
    [{ 'multi-queue-num-queues': '2' }, 'queue-0/event-channel'],
    [
      { 'multi-queue-num-queues': '2', 'queue-0/event-channel': '11', 'queue-0/ring-ref': '8' },
      'queue-1/event-channel',
    ],
    [
      {
        'multi-queue-num-queues': '2',
        'queue-0/event-channel': '11',
        'queue-0/ring-ref': '8',
        'queue-1/event-channel': '11',
        'queue-1/ring-ref': '8',
      },
      'event-channel 11',
    ],
    [{ 'ring-ref': '99' }, 'ring-ref 99'],
    [{ 'ring-ref': 'x' }, 'ring-ref'],
    [{ 'event-channel': '12' }, 'event-channel 12'],
    [{ 'event-channel': '-1' }, 'event-channel'],
  ])('is refused for %j, with a reason, and holds nothing', (nodes, reason) => {
    front.connect(nodes);
    expect(front.backendState).toBe('5');
    expect(host.store.read('/local/domain/0/error/backend/vbd/5/51712/error')).toContain(reason);
    expect([host.nrMapped, host.nrBound]).toEqual([0, 0]);
    front.setState(6);
    expect(front.backendState).toBe('6');
    front.setState(1);
    expect(front.backendState).toBe('2');
  });
  test('follows an orderly close and a new start, as a boot loader and its kernel make', () => {
    for (let i = 0; i < 3; i++) {
      front.connect();
      expect(Buffer.compare(front.read(0), disk.bytes.subarray(0, 4096))).toBe(0);
      front.setState(5);
      expect(front.backendState).toBe('5');
      front.setState(6);
      expect(front.backendState).toBe('6');
      expect([host.nrMapped, host.nrBound]).toEqual([0, 0]);
      front.setState(1);
      expect(front.backendState).toBe('2');
    }
  });
  test('lets a frontend go from Connected straight to Closed, as GRUB does before it starts a kernel', () => {
    front.connect();
    front.setState(6);
    expect([host.nrMapped, host.nrBound, front.backendState]).toEqual([0, 0, '6']);
    host.store.write(`${FRONTEND_PATH}/ring-ref`, '');
    host.store.write(`${FRONTEND_PATH}/event-channel`, '');
    front.setState(1);
    expect(front.backendState).toBe('2');
    front.connect();
    expect(front.backendState).toBe('4');
  });
  test('ends when the frontend directory goes away', () => {
    front.connect();
    host.store.rm('/local/domain/5');
    host.settle();
    expect(front.backendState).toBe('6');
    expect([host.nrMapped, host.nrBound]).toEqual([0, 0]);
  });
  test('is let go of when the backend closes', () => {
    front.connect();
    back.close();
    back.close();
    expect([host.nrMapped, host.nrBound, front.backendState]).toEqual([0, 0, '6']);
    expect(disk.log).toContain('flush');
  });
  test('a state that is no state is ignored', () => {
    front.connect();
    for (const state of ['zzz', '99', '4 ', '-1']) {
      host.store.write(`${FRONTEND_PATH}/state`, state);
      host.settle();
      expect(front.backendState).toBe('4');
    }
  });
});

describe('requests', () => {
  beforeEach(() => front.connect());

  test('reads and writes go to the sectors and parts of pages that they name', () => {
    const [one, two] = [host.grantPage(20), host.grantPage(21)];
    expect(
      front.ask(BLKIF_OP_READ, 5, [
        { gref: 20, first: 2, last: 4 },
        { gref: 21, first: 7, last: 7 },
      ]),
    ).toBe(0);
    expect(one.slice(1024, 2560)).toEqual(disk.bytes.slice(5 * 512, 8 * 512));
    expect(two.slice(3584)).toEqual(disk.bytes.slice(8 * 512, 9 * 512));
    expect([one.slice(0, 1024), one.slice(2560)].every((part) => part.every((byte) => byte === 0))).toBe(
      true,
    );
    one.fill(0xaa);
    expect(front.ask(BLKIF_OP_WRITE, 10, [{ gref: 20, first: 1, last: 1 }])).toBe(0);
    expect(disk.bytes.slice(10 * 512, 11 * 512)).toEqual(new Uint8Array(512).fill(0xaa));
    expect(disk.bytes[11 * 512]).not.toBe(0xaa);
    expect(back.metrics).toMatchObject({ requests: 2, readSectors: 4, writtenSectors: 1, refused: 0 });
    expect(host.nrMapped).toBe(1);
  });
  test('up to eleven segments, and the last sector of the disk', () => {
    for (let i = 0; i < 12; i++) host.grantPage(20 + i);
    const segments = Array.from({ length: 11 }, (_, i) => ({ gref: 20 + i, first: 0, last: 0 }));
    expect(front.ask(BLKIF_OP_READ, SECTORS - 11, segments)).toBe(BLKIF_RSP_OKAY);
    expect(front.ask(BLKIF_OP_READ, 0, segments, 12)).toBe(BLKIF_RSP_ERROR);
    expect(front.ask(BLKIF_OP_READ, 0, segments, 255)).toBe(BLKIF_RSP_ERROR);
    expect(front.ask(BLKIF_OP_READ, 0, [], 0)).toBe(BLKIF_RSP_ERROR);
  });
  test.each([
    [SECTORS, 0, 0],
    [SECTORS - 1, 0, 1],
    [0xffff_ffff_ffff_ffffn, 0, 7],
    [2n ** 53n, 0, 7],
    [0, 3, 2],
    [0, 0, 8],
    [0, 8, 8],
    [0, 255, 255],
  ])('sector %s, first %i, last %i is an error and touches nothing', (sector, first, last) => {
    host.grantPage(20);
    const before = disk.bytes.slice();
    for (const operation of [BLKIF_OP_READ, BLKIF_OP_WRITE]) {
      expect(front.ask(operation, sector, [{ gref: 20, first, last }])).toBe(BLKIF_RSP_ERROR);
    }
    expect(disk.log).toEqual([]);
    expect(Buffer.compare(disk.bytes, before)).toBe(0);
  });
  test('a page that cannot be mapped is an error; pages mapped before it are released', () => {
    host.grantPage(20);
    expect(front.ask(BLKIF_OP_READ, 0, [{ gref: 20 }, { gref: 999 }])).toBe(BLKIF_RSP_ERROR);
    host.readonlyGrefs.add(20);
    expect(front.ask(BLKIF_OP_READ, 0, [{ gref: 20 }])).toBe(BLKIF_RSP_ERROR);
    expect(front.ask(BLKIF_OP_WRITE, 0, [{ gref: 20 }])).toBe(BLKIF_RSP_OKAY);
    expect(host.nrMapped).toBe(1);
    expect(back.metrics.grantFailures).toBe(2);
  });
  test('a flush reaches the disk; a barrier flushes before and after its data', () => {
    host.grantPage(20);
    expect(front.ask(BLKIF_OP_FLUSH_DISKCACHE, 0, [])).toBe(BLKIF_RSP_OKAY);
    expect(disk.log.splice(0)).toEqual(['flush']);
    expect(front.ask(BLKIF_OP_WRITE_BARRIER, 3, [{ gref: 20 }])).toBe(BLKIF_RSP_OKAY);
    expect(disk.log.splice(0)).toEqual(['flush', 'write 3 4096', 'flush']);
    expect(front.ask(BLKIF_OP_WRITE_BARRIER, 0, [])).toBe(BLKIF_RSP_OKAY);
    expect(disk.log.splice(0)).toEqual(['flush']);
  });
  test.each([4, 7, 255])('operation %i is not supported', (operation) => {
    expect(front.ask(operation, 0, [])).toBe(BLKIF_RSP_EOPNOTSUPP);
  });
  test('what the host cannot do is an error', () => {
    host.grantPage(20);
    disk.failing = true;
    for (const operation of [BLKIF_OP_READ, BLKIF_OP_WRITE, BLKIF_OP_WRITE_BARRIER]) {
      expect(front.ask(operation, 0, [{ gref: 20 }])).toBe(BLKIF_RSP_ERROR);
    }
    expect(front.ask(BLKIF_OP_FLUSH_DISKCACHE, 0, [])).toBe(BLKIF_RSP_ERROR);
    expect(back.metrics.hostFailures).toBe(4);
    expect(host.nrMapped).toBe(1);
  });
  test('a read-only disk says so and refuses writes', () => {
    setUp(true);
    front.connect();
    host.grantPage(20);
    expect(front.backend('info')).toBe('4');
    expect(front.ask(BLKIF_OP_WRITE, 0, [{ gref: 20 }])).toBe(BLKIF_RSP_ERROR);
    expect(front.ask(BLKIF_OP_WRITE_BARRIER, 0, [{ gref: 20 }])).toBe(BLKIF_RSP_ERROR);
    expect(front.ask(BLKIF_OP_READ, 0, [{ gref: 20 }])).toBe(BLKIF_RSP_OKAY);
    expect(disk.log).not.toContain('write 0 4096');
  });
  test('a ringful is answered at one event, with one notification', () => {
    host.grantPage(20);
    const ids = Array.from({ length: 32 }, (_, i) => front.put(BLKIF_OP_READ, i, [{ gref: 20, last: 0 }]));
    const before = host.nrNotified;
    front.push();
    expect(front.take().map((response) => response.id)).toEqual(ids);
    expect(host.nrNotified).toBe(before + 1);
  });
  test('no notification when the frontend did not ask for one', () => {
    host.grantPage(20);
    Sring.rsp_event.set(front.view, 0, 100);
    const before = host.nrNotified;
    front.put(BLKIF_OP_READ, 0, [{ gref: 20 }]);
    front.push();
    expect(front.take()).toHaveLength(1);
    expect(host.nrNotified).toBe(before);
  });
  test('the ring goes round many times', () => {
    for (let i = 0; i < 200; i++) expect(front.read(i % 50, 20)[0]).toBe(disk.bytes[(i % 50) * 512]);
  });
});

describe('indirect requests', () => {
  beforeEach(() => front.connect());

  test('move more pages than a slot can name; the answer names the operation inside', () => {
    host.grantPage(100);
    const segments = Array.from({ length: 60 }, (_, i) => ({ gref: 20 + i, first: i % 8, last: i % 8 }));
    const pages = segments.map(({ gref }) => host.grantPage(gref));
    expect(front.indirect(BLKIF_OP_READ, 2, segments, [100])).toEqual({
      operation: BLKIF_OP_READ,
      status: 0,
    });
    for (const [i, page] of pages.entries()) {
      const at = (i % 8) * 512;
      expect(
        Buffer.compare(page.subarray(at, at + 512), disk.bytes.subarray((2 + i) * 512, (3 + i) * 512)),
      ).toBe(0);
      page.fill(i);
    }
    expect(front.indirect(BLKIF_OP_WRITE, 0, segments, [100])).toEqual({
      operation: BLKIF_OP_WRITE,
      status: 0,
    });
    expect([disk.bytes[0], disk.bytes[59 * 512]]).toEqual([0, 59]);
    expect(host.nrMapped).toBe(1);
  });
  test.each([
    ['no segments', BLKIF_OP_READ, 0, [100]],
    ['more than were offered', BLKIF_OP_READ, 257, [100]],
    ['far more than fit into the pages', BLKIF_OP_READ, 0xffff, [100, 100, 100, 100, 100, 100, 100, 100]],
    ['a description that cannot be mapped', BLKIF_OP_READ, 12, [999]],
    ['segments that make no sense', BLKIF_OP_READ, 13, [100]],
    ['a barrier inside', BLKIF_OP_WRITE_BARRIER, 1, [100]],
    ['another indirect request inside', BLKIF_OP_INDIRECT, 1, [100]],
  ])('are refused with %s', (_, operation, count, descriptors) => {
    const page = host.grantPage(100);
    host.grantPage(20);
    const segments = Array.from({ length: 12 }, () => ({ gref: 20 }));
    front.indirect(BLKIF_OP_READ, 0, segments, [100], 1);
    page.fill(0xff, 12 * 8);
    const view = new DataView(new ArrayBuffer(64));
    view.setUint8(0, BLKIF_OP_INDIRECT);
    view.setUint8(1, operation);
    view.setUint16(2, count, true);
    for (const [i, gref] of descriptors.entries()) view.setUint32(22 + 4 * i, gref, true);
    disk.log.length = 0;
    expect(front.askRaw(new Uint8Array(view.buffer))).toEqual({ operation, status: BLKIF_RSP_ERROR });
    expect([disk.log, host.nrMapped]).toEqual([[], 1]);
  });
});

test('a ring full of large requests is served in turns with the guests, and in order', () => {
  host = new FakeHost();
  front = new TestFrontend(host);
  const large = new LoggingStore(new Uint8Array(2048 * 512));
  new BlkBack({ host, store: host.store, path: BACKEND_PATH, disk: large });
  host.settle();
  front.connect();
  host.grantPage(100);
  host.grantPage(20);
  const segments = Array.from({ length: 256 }, () => ({ gref: 20 }));
  const request = front.indirectRequest(BLKIF_OP_READ, 0, segments, [100]);
  const ids = Array.from({ length: 20 }, () => front.putRaw(request));
  front.push();
  expect(front.take().map(({ id, status }) => [id, status])).toEqual(ids.map((id) => [id, 0]));
  // 20 MiB, eight at a time.
  expect(host.nrDeferred).toBe(2);
});

describe('discard', () => {
  beforeEach(() => front.connect());

  test('reaches the store', () => {
    disk.bytes.fill(7);
    expect(front.discard(3, 5)).toBe(BLKIF_RSP_OKAY);
    expect([
      disk.bytes[3 * 512 - 1],
      disk.bytes[3 * 512],
      disk.bytes[8 * 512 - 1],
      disk.bytes[8 * 512],
    ]).toEqual([7, 0, 0, 7]);
    expect(back.metrics.discardedSectors).toBe(5);
  });
  test.each([
    [0, 0, BLKIF_RSP_ERROR],
    [SECTORS, 1, BLKIF_RSP_ERROR],
    [1, SECTORS, BLKIF_RSP_ERROR],
    [2n ** 64n - 1n, 2, BLKIF_RSP_ERROR],
    [1, 2n ** 64n - 1n, BLKIF_RSP_ERROR],
  ])('of %s and %s sectors is refused', (sector, count, status) => {
    expect(front.discard(sector, count)).toBe(status);
  });
  test('with a promise that no copy remains is not supported', () => {
    disk.bytes.fill(7);
    expect(front.discard(0, 1, 1)).toBe(BLKIF_RSP_EOPNOTSUPP);
    expect(disk.bytes[0]).toBe(7);
  });
  test('is not offered when the toolstack says no, or the disk is read-only, and does nothing then', () => {
    host = new FakeHost();
    front = new TestFrontend(host);
    host.store.write(`${BACKEND_PATH}/discard-enable`, '0');
    new BlkBack({ host, store: host.store, path: BACKEND_PATH, disk });
    host.settle();
    front.connect();
    expect([front.backend('feature-discard'), front.discard(0, 1)]).toEqual(['0', BLKIF_RSP_EOPNOTSUPP]);
    setUp(true);
    front.connect();
    expect([front.backend('feature-discard'), front.discard(0, 1)]).toEqual(['0', BLKIF_RSP_EOPNOTSUPP]);
  });
});

describe('persistent grants', () => {
  test('stay mapped, at most as many as Linux keeps, until the frontend goes', () => {
    front.connect({ 'feature-persistent': '1' });
    for (let i = 0; i < 1200; i++) {
      host.grantPage(100 + i);
      expect(front.ask(BLKIF_OP_READ, 0, [{ gref: 100 + i }])).toBe(0);
    }
    expect(host.nrMapped).toBe(1 + 1056);
    // The last ones are used again without being mapped again.
    const before = host.nrMapCalls;
    for (let i = 1199; i > 1199 - 1056; i--) front.ask(BLKIF_OP_WRITE, 0, [{ gref: 100 + i }]);
    expect(host.nrMapCalls).toBe(before);
    front.setState(6);
    expect(host.nrMapped).toBe(0);
  });
  test('must be writable', () => {
    front.connect({ 'feature-persistent': '1' });
    host.grantPage(20);
    host.readonlyGrefs.add(20);
    expect(front.ask(BLKIF_OP_WRITE, 0, [{ gref: 20 }])).toBe(BLKIF_RSP_ERROR);
  });
  test('are not kept when the backend does not offer them', () => {
    host = new FakeHost();
    front = new TestFrontend(host);
    new BlkBack({ host, store: host.store, path: BACKEND_PATH, disk, features: { persistent: false } });
    host.settle();
    front.connect({ 'feature-persistent': '1' });
    front.read(0, 20);
    expect([front.backend('feature-persistent'), host.nrMapped]).toEqual(['0', 1]);
  });
});

describe('at run time', () => {
  test('another medium is announced with its size, and read from then on', () => {
    front.connect();
    const seen: (string | null)[] = [];
    host.settle();
    host.store.watch(`${BACKEND_PATH}/state`, 't', () => seen.push(front.backend('sectors')));
    host.settle();
    back.changeMedium(new MemoryBlockStore(new Uint8Array(16 * 512).fill(9)));
    host.settle();
    expect(seen).toEqual(['64', '16']);
    expect(front.read(0)[0]).toBe(9);
    host.grantPage(20);
    expect(front.ask(BLKIF_OP_READ, 16, [{ gref: 20 }])).toBe(BLKIF_RSP_ERROR);
  });
  test('a disk is unplugged once the guest has let go', () => {
    front.connect();
    let done = 0;
    back.unplug(() => done++);
    host.settle();
    expect([front.backendState, front.backend('online'), done]).toEqual(['5', '0', 0]);
    front.setState(6);
    expect([front.backendState, done, host.nrMapped, host.nrBound]).toEqual(['6', 1, 0, 0]);
    front.setState(1);
    expect(front.backendState).toBe('6');
    expect(disk.log).toContain('flush');
  });
  test('the first failure of the host is reported, and only that', () => {
    const errors: (Error | null)[] = [];
    host = new FakeHost();
    front = new TestFrontend(host);
    const onHostError = (error: Error | null): void => void errors.push(error);
    new BlkBack({ host, store: host.store, path: BACKEND_PATH, disk, onHostError });
    host.settle();
    front.connect();
    host.grantPage(20);
    disk.failing = true;
    for (let i = 0; i < 3; i++) expect(front.ask(BLKIF_OP_READ, 0, [{ gref: 20 }])).toBe(BLKIF_RSP_ERROR);
    expect(front.ask(BLKIF_OP_FLUSH_DISKCACHE, 0, [])).toBe(BLKIF_RSP_ERROR);
    expect(errors).toEqual([null]);
  });
});

describe('a hostile frontend', () => {
  beforeEach(() => front.connect());

  test('that publishes more than a ringful loses its ring, with a reason', () => {
    Sring.req_prod.set(front.view, 0, 33);
    host.kick(PORT);
    host.settle();
    expect(front.backendState).toBe('5');
    expect([host.nrMapped, host.nrBound]).toEqual([0, 0]);
    expect(back.metrics.brokenRings).toBe(1);
  });
  test('that has its ring page read into gets garbage of its own, and no harm is done', () => {
    front.put(BLKIF_OP_READ, 0, [{ gref: RING_GREF }]);
    front.put(BLKIF_OP_READ, 8, [{ gref: RING_GREF }]);
    front.push();
    expect(back.metrics.requests).toBe(2);
    expect(host.nrMapped).toBe(1);
  });
  test('can put anything anywhere: nothing throws, nothing stays mapped, the disk keeps its size', () => {
    const scribble = fc.record({
      at: fc.oneof(fc.nat(4095), fc.nat(15), fc.integer({ min: 64, max: 280 })),
      bytes: fc.uint8Array({ maxLength: 120 }),
    });
    const request = fc.record({
      operation: fc.nat(7),
      first: fc.nat(255),
      sector: fc.oneof(fc.nat(70), fc.bigInt(0n, 2n ** 64n - 1n)),
      segments: fc.array(
        fc.record({ gref: fc.constantFrom(20, 21, 99, RING_GREF), first: fc.nat(9), last: fc.nat(9) }),
        { maxLength: 11 },
      ),
      nrSegments: fc.option(fc.nat(255), { nil: undefined }),
    });
    const state = fc.record({ state: fc.constantFrom('1', '3', '4', '5', '6', 'x') });
    fc.assert(
      fc.property(fc.array(fc.oneof(scribble, request, state), { maxLength: 20 }), (steps) => {
        setUp();
        host.grantPage(20);
        host.grantPage(21);
        front.connect();
        for (const step of steps) {
          if ('at' in step) front.ring.set(step.bytes.subarray(0, 4096 - step.at), step.at);
          else if ('state' in step) host.store.write(`${FRONTEND_PATH}/state`, step.state);
          else if (step.operation === BLKIF_OP_INDIRECT)
            front.putRaw(
              front.indirectRequest(step.first & 7, step.sector, step.segments, [20], step.nrSegments),
            );
          else front.put(step.operation, step.sector, step.segments, step.nrSegments);
          front.push();
          expect(host.nrMapped).toBe(host.nrBound);
        }
        back.close();
        expect([host.nrMapped, host.nrBound]).toEqual([0, 0]);
        expect(disk.bytes).toHaveLength(SECTORS * 512);
      }),
      { numRuns: 200, seed: 4 },
    );
  });
});
