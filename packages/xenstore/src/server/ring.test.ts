import {
  XenstoreDomainInterface as Page,
  XENSTORE_ERROR_NONE,
  XENSTORE_ERROR_PROTO,
  XENSTORE_ERROR_RINGIDX,
  XENSTORE_RECONNECT,
  XENSTORE_RING_SIZE,
  XENSTORE_SERVER_FEATURE_ERROR,
  XS_DIRECTORY,
  XS_READ,
  XS_WATCH,
  XS_WATCH_EVENT,
  XS_WRITE,
  XsdSockmsg,
} from '@domu/xen-abi';
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { TestStore, WireGuest, type WireMessage } from './testing.ts';

let store: TestStore;

beforeEach(() => {
  store = new TestStore();
  store.mkdir('/local/domain/5');
  store.setPerms('/local/domain/5', ['n5']);
  store.write('/local/domain/5/v', 'value');
});

const set = (
  guest: WireGuest,
  field: { set: (view: DataView, base: number, value: number) => void },
  value: number,
): void => field.set(guest.view, 0, value);
const errorField = (guest: WireGuest): number => Page.error.get(guest.view, 0);

describe('the ring', () => {
  test('is scanned when it is bound: a request sent before is served', () => {
    const guest = new WireGuest(store, 5, (early) => early.put(early.encode(XS_READ, 'v\0')));
    expect(guest.take()).toMatchObject([{ type: XS_READ, payload: 'value' }]);
    expect(guest.nrNotified).toBeGreaterThan(0);
  });
  test('says that it reports errors', () => {
    const guest = new WireGuest(store, 5);
    expect(Page.server_features.get(guest.view, 0)).toBe(XENSTORE_SERVER_FEATURE_ERROR);
  });
  test.each([0, 1010, 1015, 1023, 0xffff_fff8, 0xffff_ffff])(
    'works from index %i on, header and payload wrapping',
    (at) => {
      const guest = new WireGuest(store, 5, (early) => {
        for (const index of [Page.req_cons, Page.req_prod, Page.rsp_cons, Page.rsp_prod])
          set(early, index, at);
      });
      for (let i = 0; i < 60; i++) {
        const value = 'x'.repeat(i * 7);
        expect(guest.ask(XS_WRITE, `w\0${value}`).payload).toBe('OK\0');
        expect(guest.ask(XS_READ, 'w\0').payload).toBe(value);
      }
    },
  );
  test('takes a request byte by byte', () => {
    const guest = new WireGuest(store, 5);
    for (const byte of guest.encode(XS_READ, 'v\0')) {
      expect(guest.take()).toEqual([]);
      guest.put(Uint8Array.of(byte));
      guest.kick();
    }
    expect(guest.take()).toMatchObject([{ payload: 'value' }]);
  });
  test('notifies when it frees request space, even before the request is complete', () => {
    const guest = new WireGuest(store, 5);
    const big = guest.encode(XS_WRITE, `w\0${'x'.repeat(1500)}`);
    expect(guest.put(big)).toBe(XENSTORE_RING_SIZE);
    const before = guest.nrNotified;
    guest.kick();
    expect(guest.nrNotified).toBe(before + 1);
    expect(Page.req_cons.get(guest.view, 0)).toBe(Page.req_prod.get(guest.view, 0));
    guest.put(big.subarray(XENSTORE_RING_SIZE));
    guest.kick();
    expect(guest.take()).toMatchObject([{ type: XS_WRITE, payload: 'OK\0' }]);
  });
  test('does not notify when nothing moved', () => {
    const guest = new WireGuest(store, 5);
    guest.kick();
    expect(guest.nrNotified).toBe(0);
  });
  test('serves several requests of one event in order', () => {
    const guest = new WireGuest(store, 5);
    for (const value of ['1', '2']) guest.put(guest.encode(XS_WRITE, `w\0${value}`));
    guest.put(guest.encode(XS_READ, 'w\0'));
    guest.kick();
    expect(guest.take().map((message) => message.payload)).toEqual(['OK\0', 'OK\0', '2']);
  });
});

describe('a full response ring', () => {
  test('makes output wait until the guest has consumed some, and then all arrives in order', () => {
    const guest = new WireGuest(store, 5);
    for (let i = 0; i < 10; i++) guest.ask(XS_WRITE, `w/${'n'.repeat(60)}${i}\0`);
    for (let i = 0; i < 8; i++) guest.put(guest.encode(XS_DIRECTORY, 'w\0'));
    guest.kick();
    expect(Page.rsp_prod.get(guest.view, 0) - Page.rsp_cons.get(guest.view, 0)).toBe(XENSTORE_RING_SIZE);
    const replies: WireMessage[] = [];
    for (let got = guest.take(), rounds = 0; rounds < 10; rounds++, got = guest.take()) {
      replies.push(...got);
      guest.kick();
    }
    expect(replies).toHaveLength(8);
    expect(new Set(replies.map((reply) => reply.payload)).size).toBe(1);
    expect(replies.map((reply) => reply.reqId)).toEqual([...replies.keys()].map((i) => replies[0].reqId + i));
  });
  test('leaves further requests in the ring while too many replies wait', () => {
    const guest = new WireGuest(store, 5);
    guest.ask(XS_WRITE, `w\0${'x'.repeat(1000)}`);
    for (let i = 0; i < 40; i++) guest.put(guest.encode(XS_READ, 'w\0'));
    guest.kick();
    expect(guest.ring.metrics.requests).toBe(1 + 21);
    let nrReplies = 0;
    for (let rounds = 0; rounds < 60; rounds++) {
      nrReplies += guest.take().length;
      guest.kick();
    }
    expect(nrReplies).toBe(40);
  });
  test('does not let events pile up without limit', () => {
    store = new TestStore({ quotas: { queuedBytes: 4000 } });
    store.mkdir('/local/domain/5');
    store.setPerms('/local/domain/5', ['n5']);
    const guest = new WireGuest(store, 5);
    guest.ask(XS_WATCH, '/local/domain/5\0t\0');
    for (let i = 0; i < 1000; i++) store.write(`/local/domain/5/node-${i}`, '');
    let nrEvents = 0;
    for (let rounds = 0; rounds < 60; rounds++) {
      nrEvents += guest.take().filter((message) => message.type === XS_WATCH_EVENT).length;
      guest.kick();
    }
    expect(nrEvents).toBeGreaterThan(20);
    expect(nrEvents).toBeLessThan(200);
    expect(guest.ask(XS_READ, 'node-999\0').payload).toBe('');
  });
});

describe('a guest that breaks the protocol', () => {
  const cutOff = (guest: WireGuest): void => {
    const before = guest.page.slice(0, Page.req_cons.offset);
    set(guest, Page.req_cons, 0);
    set(guest, Page.req_prod, 0);
    set(guest, Page.rsp_cons, 0);
    set(guest, Page.rsp_prod, 0);
    guest.put(guest.encode(XS_READ, 'v\0'));
    guest.kick();
    store.write('/local/domain/5/v', 'new');
    expect(guest.page.slice(Page.rsp.offset, Page.req_cons.offset)).toEqual(before.slice(Page.rsp.offset));
    expect(guest.ring.metrics.violations).toBe(1);
  };
  test('is cut off when its request index runs ahead of the ring', () => {
    const guest = new WireGuest(store, 5);
    guest.ask(XS_WATCH, 'v\0t\0');
    set(guest, Page.req_prod, Page.req_cons.get(guest.view, 0) + XENSTORE_RING_SIZE + 1);
    guest.kick();
    expect(errorField(guest)).toBe(XENSTORE_ERROR_RINGIDX);
    cutOff(guest);
  });
  test('is cut off when its response index is ahead of ours', () => {
    const guest = new WireGuest(store, 5);
    set(guest, Page.rsp_cons, 1);
    guest.put(guest.encode(XS_READ, 'v\0'));
    guest.kick();
    expect(errorField(guest)).toBe(XENSTORE_ERROR_RINGIDX);
    cutOff(guest);
  });
  test('is cut off when it announces a payload of more than 4096 bytes, and not at 4096', () => {
    const guest = new WireGuest(store, 5);
    expect(guest.ask(XS_WRITE, `v\0${'x'.repeat(4094)}`).payload).toBe('ENOSPC\0');
    const header = guest.encode(XS_READ, '');
    XsdSockmsg.len.set(new DataView(header.buffer), 0, 4097);
    guest.put(header);
    guest.kick();
    expect(errorField(guest)).toBe(XENSTORE_ERROR_PROTO);
    cutOff(guest);
  });
  test('is served again after a reset', () => {
    const guest = new WireGuest(store, 5);
    set(guest, Page.req_prod, 5000);
    guest.kick();
    set(guest, Page.connection, XENSTORE_RECONNECT);
    guest.ring.reset();
    expect(errorField(guest)).toBe(XENSTORE_ERROR_NONE);
    expect(Page.connection.get(guest.view, 0)).toBe(0);
    expect(guest.ask(XS_READ, 'v\0').payload).toBe('value');
  });
  test('does no harm to the store or to others, whatever its page holds', () => {
    const other = new WireGuest(store, 6);
    const scribble = fc.record({
      at: fc.oneof(fc.nat(4095), fc.integer({ min: 2048, max: 2080 })),
      bytes: fc.uint8Array({ maxLength: 64 }),
    });
    const request = fc.record({
      type: fc.integer({ min: 0, max: 24 }),
      txId: fc.nat(3),
      payload: fc.string({ unit: fc.constantFrom('a', '/', '\0', '@', 'T', 'v', '5'), maxLength: 12 }),
    });
    fc.assert(
      fc.property(fc.array(fc.oneof(scribble, request), { maxLength: 20 }), (steps) => {
        const guest = new WireGuest(store, 5);
        for (const step of steps) {
          if ('at' in step) guest.page.set(step.bytes.subarray(0, 4096 - step.at), step.at);
          else guest.put(guest.encode(step.type, step.payload, step.txId));
          guest.kick();
          store.write('/local/domain/5/v', 'value');
        }
        expect(other.ask(XS_READ, '/local/domain/6\0').payload).toBe('EACCES\0');
        expect(store.read('/local/domain/5/v')).toBe('value');
        expect(guest.page).toHaveLength(4096);
        guest.ring.close();
        expect(guest.portClosed).toBe(true);
      }),
      { numRuns: 200, seed: 1 },
    );
  });
});
