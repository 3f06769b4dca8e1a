import {
  NETIF_RSP_ERROR,
  NETIF_RSP_NULL,
  NETIF_RSP_OKAY,
  NETRXF_csum_blank,
  NETRXF_data_validated,
  NETRXF_extra_info,
  NETRXF_more_data,
  NETTXF_csum_blank,
  NETTXF_data_validated,
  NETTXF_extra_info,
  NETTXF_more_data,
  Sring,
  XEN_NETIF_EXTRA_TYPE_GSO,
  XEN_NETIF_EXTRA_TYPE_MCAST_ADD,
  XEN_NETIF_GSO_TYPE_TCPV4,
  XEN_NETIF_GSO_TYPE_TCPV6,
} from '@domu/xen-abi';
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { NetBack } from './netback.ts';
import {
  announce,
  BACKEND_PATH,
  createNodes,
  FRONTEND_PATH,
  frameOf,
  MODERN,
  NetFakeHost,
  plainFrame,
  setState,
  TestNetwork,
  TestQueue,
  type TestSlot,
} from './testing.ts';

let host: NetFakeHost;
let network: TestNetwork;
let netback: NetBack;
let queue: TestQueue;

const backend = (node: string): string | null => host.store.read(`${BACKEND_PATH}/${node}`);
const error = (): string | null => host.store.read('/local/domain/0/error/backend/vif/5/0/error');

function connect(nodes: Readonly<Record<string, string>> = MODERN): void {
  queue = new TestQueue(host, [8, 9], [11, 12]);
  announce(host, [queue], nodes);
}

/** Spreads a packet over pages 100, 101, … as a guest does. */
function pagesOf(data: Uint8Array, pieces: readonly number[], flags = 0): TestSlot[] {
  let done = 0;
  return pieces.map((size, i) => {
    host.grantPage(100 + i).set(data.subarray(done, done + size), 16);
    done += size;
    const more = i < pieces.length - 1 ? NETTXF_more_data : 0;
    return {
      gref: 100 + i,
      offset: 16,
      size: i === 0 ? data.length : size,
      flags: more | (i === 0 ? flags : 0),
    };
  });
}

beforeEach(() => {
  host = new NetFakeHost();
  network = new TestNetwork();
  createNodes(host);
  netback = new NetBack({ host, store: host.store, path: BACKEND_PATH, network });
  host.settle();
});

describe('handshake', () => {
  test('offers what it can do, then connects to what the frontend announces', () => {
    expect(backend('state')).toBe('2');
    for (const feature of ['sg', 'gso-tcpv4', 'gso-tcpv6', 'rx-copy', 'rx-flip', 'split-event-channels']) {
      expect(backend(`feature-${feature}`)).toBe('1');
    }
    connect();
    expect(backend('state')).toBe('4');
    expect([host.nrMapped, host.nrBound]).toEqual([2, 2]);
    expect(network.nic?.offloads).toEqual({ checksum: true, tcpv4: true, tcpv6: true });
  });

  test('one event channel may serve both directions', () => {
    queue = new TestQueue(host, [8, 9], [11, 11]);
    announce(host, [queue]);
    expect([backend('state'), host.nrBound]).toEqual(['4', 1]);
    expect(queue.send(pagesOf(frameOf(60), [60]))).toEqual([NETIF_RSP_OKAY]);
  });

  test.each([
    [{}, { checksum: true, tcpv4: false, tcpv6: false }],
    [
      { 'feature-sg': '1', 'feature-gso-tcpv4': '1' },
      { checksum: true, tcpv4: true, tcpv6: false },
    ],
    [{ 'feature-gso-tcpv4': '1' }, { checksum: true, tcpv4: false, tcpv6: false }],
    [
      { ...MODERN, 'feature-no-csum-offload': '1' },
      { checksum: false, tcpv4: false, tcpv6: false },
    ],
  ])('a frontend with %j takes %j', (nodes, offloads) => {
    connect(nodes);
    expect(network.nic?.offloads).toEqual(offloads);
  });

  test.each([
    [{ 'tx-ring-ref': '77' }, /mapping tx-ring-ref 77/],
    [{ 'rx-ring-ref': '77' }, /mapping rx-ring-ref 77/],
    [{ 'event-channel-rx': '99' }, /binding event-channel 99/],
    [{ 'event-channel-tx': 'x', 'event-channel-rx': 'x' }, /reading tx-ring-ref/],
    [{ 'multi-queue-num-queues': '9' }, /requested 9 queues/],
    [{ 'multi-queue-num-queues': '0' }, /multi-queue-num-queues/],
  ])('what it cannot connect to (%j) is an error, and nothing stays held', (nodes, reason) => {
    new TestQueue(host, [8, 9], [11, 12]);
    const keys = {
      'tx-ring-ref': '8',
      'rx-ring-ref': '9',
      'event-channel-tx': '11',
      'event-channel-rx': '12',
    };
    for (const [name, value] of Object.entries({ ...MODERN, ...keys, ...nodes }))
      host.store.write(`${FRONTEND_PATH}/${name}`, value);
    setState(host, 4);
    expect(backend('state')).toBe('5');
    expect(error()).toMatch(reason);
    expect([host.nrMapped, host.nrBound]).toEqual([0, 0]);
  });

  test('a frontend may close and come back, a hundred times', () => {
    for (let round = 0; round < 100; round++) {
      connect();
      expect(queue.send(pagesOf(frameOf(60), [60]))).toEqual([NETIF_RSP_OKAY]);
      setState(host, 5);
      expect(backend('state')).toBe('5');
      setState(host, 6);
      expect([backend('state'), host.nrMapped, host.nrBound]).toEqual(['6', 0, 0]);
      setState(host, 1);
      expect(backend('state')).toBe('2');
    }
    expect(network.frames).toHaveLength(100);
  });

  test('unplugging asks the frontend to let go, and a frontend that starts over is not served', () => {
    connect();
    let unplugged = 0;
    netback.unplug(() => unplugged++);
    host.settle();
    expect([backend('state'), backend('online'), unplugged]).toEqual(['5', '0', 0]);
    setState(host, 6);
    expect([backend('state'), unplugged, host.nrMapped]).toEqual(['6', 1, 0]);
    setState(host, 1);
    setState(host, 4);
    expect([backend('state'), host.nrMapped]).toEqual(['6', 0]);
  });

  test('close lets go of everything', () => {
    connect();
    netback.close();
    expect([backend('state'), host.nrMapped, host.nrBound, network.nic]).toEqual(['6', 0, 0, null]);
  });
});

describe('from the guest', () => {
  beforeEach(() => connect());

  test.each([
    [0, 'present'],
    [NETTXF_data_validated, 'validated'],
    [NETTXF_csum_blank | NETTXF_data_validated, 'blank'],
  ])('a packet with flags %i has a checksum that is %s', (flags, checksum) => {
    const data = frameOf(100);
    expect(queue.send(pagesOf(data, [100], flags))).toEqual([NETIF_RSP_OKAY]);
    expect(network.frames).toEqual([{ data, checksum, gsoSize: 0, gsoType: 'tcpv4' }]);
  });

  test('the parts of a packet are joined', () => {
    const data = frameOf(9000);
    expect(queue.send(pagesOf(data, [1000, 4000, 4000]))).toEqual([0, 0, 0]);
    expect(network.frames[0].data).toEqual(data);
  });

  test.each([
    [XEN_NETIF_GSO_TYPE_TCPV4, 'tcpv4'],
    [XEN_NETIF_GSO_TYPE_TCPV6, 'tcpv6'],
  ])('extra info says how to cut it (type %i)', (gsoType, name) => {
    const data = frameOf(5000);
    const slots = pagesOf(data, [2000, 3000], NETTXF_extra_info | NETTXF_csum_blank);
    const statuses = queue.send(slots, [{ type: XEN_NETIF_EXTRA_TYPE_GSO, size: 1448, gsoType }]);
    expect(statuses).toEqual([NETIF_RSP_OKAY, NETIF_RSP_NULL, NETIF_RSP_OKAY]);
    expect(network.frames).toEqual([{ data, checksum: 'blank', gsoSize: 1448, gsoType: name }]);
  });

  test('responses carry the ids of their requests, and the frontend is told', () => {
    queue.put(pagesOf(frameOf(60), [30, 30]));
    queue.put(pagesOf(frameOf(60), [60]));
    const before = host.nrNotified;
    queue.push();
    expect(queue.responses()).toEqual([
      [1000, 0],
      [1001, 0],
      [1002, 0],
    ]);
    expect(host.nrNotified).toBe(before + 1);
  });

  test('a network without room makes the guest wait, and nothing is lost', () => {
    network.room = 1;
    for (let i = 0; i < 3; i++) queue.put([pagesOf(frameOf(60, 5), [60])[0]]);
    queue.push();
    expect(queue.responses()).toHaveLength(1);
    network.room = 1;
    network.nic?.resume();
    expect(queue.responses()).toHaveLength(1);
    network.room = 10;
    network.nic?.resume();
    expect(queue.responses()).toHaveLength(1);
    expect(network.frames).toHaveLength(3);
  });

  test('orders for the backend are answered and not sent on', () => {
    const slots = pagesOf(frameOf(60), [60], NETTXF_extra_info);
    expect(queue.send(slots, [{ type: XEN_NETIF_EXTRA_TYPE_MCAST_ADD }])).toEqual([0, NETIF_RSP_NULL]);
    expect(network.frames).toEqual([]);
  });

  test.each<[string, () => TestSlot[], number]>([
    ['shorter than a header', () => pagesOf(frameOf(60).subarray(0, 13), [13]), 1],
    ['whose page is not granted', () => [{ gref: 999, size: 60 }], 1],
    [
      'whose parts are larger than the whole',
      () => [
        { ...pagesOf(frameOf(60), [60])[0], flags: NETTXF_more_data },
        { gref: 100, size: 61 },
      ],
      2,
    ],
    [
      'in more slots than anybody needs',
      () =>
        pagesOf(
          frameOf(60),
          Array.from({ length: 20 }, () => 3),
        ),
      20,
    ],
  ])('a packet %s is answered with errors, and the next one goes through', (_what, slots, nrSlots) => {
    expect(queue.send(slots())).toEqual(Array.from({ length: nrSlots }, () => NETIF_RSP_ERROR));
    expect(queue.send(pagesOf(frameOf(60), [60]))).toEqual([NETIF_RSP_OKAY]);
    expect(netback.metrics).toMatchObject({ txErrors: 1, txPackets: 1 });
    expect(network.frames).toHaveLength(1);
  });

  test.each<[RegExp, () => void]>([
    [/impossible number of transmit requests/, () => queue.push(257)],
    [
      /crosses the end of its page/,
      () => queue.send([{ ...pagesOf(frameOf(60), [60])[0], offset: 4090, size: 60 }]),
    ],
    [
      /crosses the end of its page/,
      () =>
        queue.send([
          { ...pagesOf(frameOf(60), [60])[0], flags: NETTXF_more_data },
          { gref: 100, offset: 4095, size: 2 },
        ]),
    ],
    [
      /continues beyond the last request/,
      () => queue.send([{ ...pagesOf(frameOf(60), [60])[0], flags: NETTXF_more_data }]),
    ],
    [
      /more than 20 slots/,
      () =>
        queue.send(
          pagesOf(
            frameOf(60),
            Array.from({ length: 22 }, () => 1),
          ),
        ),
    ],
    [/extra info is missing/, () => queue.send(pagesOf(frameOf(60), [60], NETTXF_extra_info))],
    [/extra info of type 9/, () => queue.send(pagesOf(frameOf(60), [60], NETTXF_extra_info), [{ type: 9 }])],
    [
      /GSO size 0/,
      () =>
        queue.send(pagesOf(frameOf(60), [60], NETTXF_extra_info), [
          { type: XEN_NETIF_EXTRA_TYPE_GSO, gsoType: 1 },
        ]),
    ],
    [
      /GSO of type 7/,
      () =>
        queue.send(pagesOf(frameOf(60), [60], NETTXF_extra_info), [
          { type: XEN_NETIF_EXTRA_TYPE_GSO, size: 1000, gsoType: 7 },
        ]),
    ],
  ])('a frontend that breaks the protocol is disconnected: %s', (reason, act) => {
    act();
    expect(backend('state')).toBe('5');
    expect(error()).toMatch(reason);
    expect([host.nrMapped, host.nrBound, netback.metrics.protocolErrors]).toEqual([0, 0, 1]);
    expect(network.nic?.transmit(plainFrame(frameOf(60)))).toBe(true);
  });
});

describe('to the guest', () => {
  const transmit = (data: Uint8Array): boolean | undefined => network.nic?.transmit(plainFrame(data));

  test('before a frontend is there frames are taken and dropped', () => {
    expect(transmit(frameOf(60))).toBe(true);
    expect(netback.metrics.rxDropped).toBe(1);
  });

  test('a frame lies in as many of the offered pages as it needs', () => {
    connect();
    for (const gref of [50, 51, 52]) host.grantPage(gref);
    queue.offer(50, 51, 52);
    const data = frameOf(8200);
    expect(transmit(data)).toBe(true);
    expect(queue.received()).toEqual([
      { id: 50, flags: NETRXF_more_data, status: 4096 },
      { id: 51, flags: NETRXF_more_data, status: 4096 },
      { id: 52, flags: 0, status: 8 },
    ]);
    expect(host.pages.get(50)).toEqual(data.subarray(0, 4096));
    expect(host.pages.get(52)?.subarray(0, 8)).toEqual(data.subarray(8192));
  });

  test('a frame to be cut says so behind its first part', () => {
    connect();
    for (const gref of [50, 51, 52]) host.grantPage(gref);
    queue.offer(50, 51, 52);
    const frame = { data: frameOf(5000), checksum: 'blank', gsoSize: 1400, gsoType: 'tcpv6' } as const;
    network.nic?.transmit(frame);
    const flags = NETRXF_extra_info | NETRXF_more_data | NETRXF_csum_blank | NETRXF_data_validated;
    expect(queue.received()).toEqual([
      { id: 50, flags, status: 4096 },
      { gsoSize: 1400, gsoType: XEN_NETIF_GSO_TYPE_TCPV6 },
      { id: 52, flags: 0, status: 904 },
    ]);
  });

  test('a frame without room is refused, and the network is told when there is some', () => {
    connect();
    host.grantPage(50);
    host.grantPage(51);
    queue.offer(50);
    expect(transmit(frameOf(5000))).toBe(false);
    const before = network.nrResumed;
    expect(Sring.req_event.get(queue.rx, 0)).toBe(2);
    queue.offer(51);
    expect(network.nrResumed).toBe(before + 1);
    expect(transmit(frameOf(5000))).toBe(true);
    expect(queue.packets()).toEqual([frameOf(5000)]);
  });

  test('a frontend that does not say when it has room does not hold up the network', () => {
    connect({ ...MODERN, 'feature-rx-notify': '0' });
    expect(transmit(frameOf(60))).toBe(true);
    expect(netback.metrics.rxDropped).toBe(1);
  });

  test('a frontend without scatter-gather gets no frame larger than a page', () => {
    connect({ 'request-rx-copy': '1', 'feature-rx-notify': '1' });
    for (const gref of [50, 51]) host.grantPage(gref);
    queue.offer(50, 51);
    expect(transmit(frameOf(4097))).toBe(true);
    expect(transmit(frameOf(1514))).toBe(true);
    expect(queue.packets()).toEqual([frameOf(1514)]);
  });

  test('a page that cannot be written is answered with an error', () => {
    connect();
    host.grantPage(50);
    host.readonlyGrefs.add(50);
    queue.offer(50);
    expect(transmit(frameOf(60))).toBe(true);
    expect(queue.received()).toEqual([{ id: 50, flags: 0, status: NETIF_RSP_ERROR }]);
    expect(netback.metrics.rxErrors).toBe(1);
  });

  test('an older frontend gets pages instead of copies', () => {
    connect({});
    host.accepting.add(50);
    queue.offer(50, 51);
    expect(transmit(frameOf(60))).toBe(true);
    expect(transmit(frameOf(60))).toBe(true);
    expect(host.transferred.get(50)?.subarray(0, 60)).toEqual(frameOf(60));
    expect(queue.received()).toEqual([
      { id: 50, flags: 0, status: 60 },
      { id: 51, flags: 0, status: NETIF_RSP_ERROR },
    ]);
  });

  test('more requests than the ring holds end the connection', () => {
    connect();
    Sring.req_prod.set(queue.rx, 0, 300);
    expect(transmit(frameOf(60))).toBe(true);
    expect([backend('state'), error()]).toEqual(['5', 'impossible number of receive requests']);
  });

  test('with the cable pulled, frames of both directions are dropped', () => {
    connect();
    host.grantPage(50);
    queue.offer(50);
    netback.carrier = false;
    expect(transmit(frameOf(60))).toBe(true);
    expect(queue.send(pagesOf(frameOf(60), [60]))).toEqual([NETIF_RSP_OKAY]);
    expect([queue.received(), network.frames]).toEqual([[], []]);
    netback.carrier = true;
    expect(transmit(frameOf(60))).toBe(true);
    expect(queue.packets()).toHaveLength(1);
  });
});

describe('several queues', () => {
  test('a flow stays in its queue, flows spread, and what was sent comes from all', () => {
    const queues = [0, 1, 2].map((i) => new TestQueue(host, [8 + 2 * i, 9 + 2 * i], [20 + i, 30 + i]));
    announce(host, queues);
    expect([backend('state'), host.nrBound, host.nrMapped]).toEqual(['4', 6, 6]);
    for (const [i, each] of queues.entries()) {
      for (let gref = 0; gref < 100; gref++) host.grantPage(1000 * (i + 1) + gref);
      each.offer(...Array.from({ length: 100 }, (_, gref) => 1000 * (i + 1) + gref));
    }
    for (let seed = 0; seed < 40; seed++) {
      network.nic?.transmit(plainFrame(frameOf(60, seed % 20)));
    }
    const counts = queues.map((each) => each.packets().length);
    expect(counts.reduce((sum, count) => sum + count)).toBe(40);
    for (const count of counts) expect([count > 0, count % 2]).toEqual([true, 0]);
    for (const each of queues) expect(each.send(pagesOf(frameOf(60), [60]))).toEqual([0]);
    expect(network.frames).toHaveLength(3);
  });
});

test('a network that answers from inside its transmit does not disturb the ring', () => {
  connect();
  host.grantPage(50);
  queue.offer(50);
  network.onFrame = () => {
    network.nic?.transmit(plainFrame(frameOf(64)));
    network.nic?.resume();
  };
  queue.put(pagesOf(frameOf(60), [60]));
  queue.put(pagesOf(frameOf(60), [60]));
  queue.push();
  expect(queue.responses()).toHaveLength(2);
  expect(queue.packets()).toEqual([frameOf(64)]);
});

test('whatever stands in the rings, nothing throws, nothing stays held, and work is bounded', () => {
  const u32 = fc.oneof(fc.nat(300), fc.integer({ min: 0, max: 0xffff_ffff }));
  const words = fc.array(fc.integer({ min: 0, max: 0xffff_ffff }), { minLength: 64, maxLength: 64 });
  fc.assert(
    fc.property(words, words, u32, u32, (txWords, rxWords, txProd, rxProd) => {
      host = new NetFakeHost();
      network = new TestNetwork();
      createNodes(host);
      netback = new NetBack({ host, store: host.store, path: BACKEND_PATH, network });
      host.settle();
      connect();
      for (let gref = 100; gref < 108; gref++) host.grantPage(gref);
      for (const [i, word] of txWords.entries()) queue.tx.setUint32(64 + 4 * i, word, true);
      for (const [i, word] of rxWords.entries()) queue.rx.setUint32(64 + 4 * i, word % 110, true);
      Sring.req_prod.set(queue.rx, 0, rxProd);
      queue.push(txProd);
      for (let i = 0; i < 4; i++) network.nic?.transmit(plainFrame(frameOf(3000 * i + 60)));
      expect(network.frames.length).toBeLessThanOrEqual(256);
      netback.close();
      expect([host.nrMapped, host.nrBound]).toEqual([0, 0]);
    }),
    { numRuns: 200, seed: 1 },
  );
});
