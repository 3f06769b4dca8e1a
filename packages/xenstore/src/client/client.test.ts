import { XenstoreDomainInterface as Page, XENSTORE_RING_SIZE, XS_READ, XsdSockmsg } from '@domu/xen-abi';
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { type Outcome, XenStoreClient } from './client.ts';
import { splitStrings, toText } from './text.ts';

/** A store's end of the ring that answers as the test says. */
class FakeStore {
  readonly page: Uint8Array = new Uint8Array(4096);
  readonly view: DataView = new DataView(this.page.buffer);
  readonly client: XenStoreClient;
  nrNotified = 0;
  #inbox = '';

  constructor() {
    this.client = new XenStoreClient({
      page: this.page,
      notify: () => {
        this.nrNotified++;
      },
    });
  }

  /** @returns complete requests that have arrived: type, request id, transaction id, payload */
  take(): { type: number; reqId: number; txId: number; payload: string }[] {
    let cons = Page.req_cons.get(this.view, 0);
    for (; cons !== Page.req_prod.get(this.view, 0); cons = (cons + 1) >>> 0) {
      this.#inbox += String.fromCharCode(this.page[cons & 1023]);
    }
    Page.req_cons.set(this.view, 0, cons);
    const messages = [];
    while (this.#inbox.length >= 16) {
      const head = new DataView(
        Uint8Array.from(this.#inbox.slice(0, 16), (char) => char.charCodeAt(0)).buffer,
      );
      const [type, reqId, txId, length] = [0, 4, 8, 12].map((at) => head.getUint32(at, true));
      if (this.#inbox.length < 16 + length) break;
      messages.push({ type, reqId, txId, payload: this.#inbox.slice(16, 16 + length) });
      this.#inbox = this.#inbox.slice(16 + length);
    }
    return messages;
  }

  /** Sends a message, in as many pieces as the ring needs. */
  send(type: number, reqId: number, payload: string, length = payload.length): void {
    const header = new DataView(new ArrayBuffer(XsdSockmsg.size));
    XsdSockmsg.type.set(header, 0, type);
    XsdSockmsg.req_id.set(header, 0, reqId);
    XsdSockmsg.len.set(header, 0, length);
    const text = toText(new Uint8Array(header.buffer)) + payload;
    for (let at = 0; at < text.length; ) {
      const prod = Page.rsp_prod.get(this.view, 0);
      const room = XENSTORE_RING_SIZE - ((prod - Page.rsp_cons.get(this.view, 0)) >>> 0);
      const chunk = text.slice(at, at + room);
      for (let i = 0; i < chunk.length; i++) this.page[1024 + ((prod + i) & 1023)] = chunk.charCodeAt(i);
      Page.rsp_prod.set(this.view, 0, prod + chunk.length);
      this.client.onEvent();
      at += chunk.length;
      if (chunk.length === 0) throw new Error('the client does not consume');
    }
  }
}

let store: FakeStore;
let outcomes: Outcome<unknown>[];
const done = (outcome: Outcome<unknown>): void => {
  outcomes.push(outcome);
};

beforeEach(() => {
  store = new FakeStore();
  outcomes = [];
});

describe('requests', () => {
  test('go out with a NUL behind the path and are matched to replies by id, in any order', () => {
    store.client.read('a', done);
    store.client.directory('/b', done, 7);
    const [read, directory] = store.take();
    expect([read, directory]).toMatchObject([
      { type: XS_READ, txId: 0, payload: 'a\0' },
      { type: 1, txId: 7, payload: '/b\0' },
    ]);
    expect(store.nrNotified).toBe(2);
    store.send(1, directory.reqId, 'x\0y\0');
    store.send(XS_READ, read.reqId, 'value');
    expect(outcomes).toEqual([
      { state: 'ok', value: ['x', 'y'] },
      { state: 'ok', value: Uint8Array.from('value', (char) => char.charCodeAt(0)) },
    ]);
  });
  test('write sends the value bare; MKDIR, RM and transactions have their forms', () => {
    store.client.write('a', Uint8Array.of(1, 0, 2), done);
    store.client.mkdir('d', done);
    store.client.rm('d', done);
    store.client.startTransaction(done);
    store.client.endTransaction(3, true, done);
    store.client.endTransaction(4, false, done);
    const requests = store.take();
    expect(requests.map(({ type, txId, payload }) => [type, txId, payload])).toEqual([
      [11, 0, 'a\0\x01\0\x02'],
      [12, 0, 'd\0'],
      [13, 0, 'd\0'],
      [6, 0, '\0'],
      [7, 3, 'T\0'],
      [7, 4, 'F\0'],
    ]);
    store.send(6, requests[3].reqId, '42\0');
    expect(outcomes).toEqual([{ state: 'ok', value: 42 }]);
  });
  test('errors come by name; an unknown one reads as EINVAL', () => {
    store.client.read('a', done);
    store.client.read('b', done);
    const [first, second] = store.take();
    store.send(16, first.reqId, 'ENOENT\0');
    store.send(16, second.reqId, 'EWHAT\0');
    expect(outcomes).toEqual([
      { state: 'refused', error: 'ENOENT' },
      { state: 'refused', error: 'EINVAL' },
    ]);
  });
  test('larger than the ring go out in pieces; larger than a payload may be are refused', () => {
    store.client.write('a', new Uint8Array(3000).fill(65), done);
    const seen = [];
    for (let i = 0; i < 5; i++) {
      seen.push(...store.take());
      store.client.onEvent();
    }
    expect(seen.map((request) => request.payload.length)).toEqual([3002]);
    store.client.write('a', new Uint8Array(4096), done);
    expect(outcomes).toEqual([{ state: 'refused', error: 'E2BIG' }]);
  });
  test('replies larger than the ring are put together', () => {
    store.client.read('a', done);
    store.send(XS_READ, store.take()[0].reqId, 'z'.repeat(4096));
    expect(outcomes).toMatchObject([{ state: 'ok', value: { length: 4096 } }]);
  });
});

describe('watches', () => {
  test('tell each its own events until they are removed', () => {
    const seen: string[] = [];
    const one = store.client.watch('a', (path) => seen.push(`1 ${path}`), done);
    store.client.watch('b', (path) => seen.push(`2 ${path}`), done);
    const tokens = store
      .take()
      .map((request) => splitStrings(Uint8Array.from(request.payload, (c) => c.charCodeAt(0)))[1]);
    store.send(15, 0, `a\0${tokens[0]}\0`);
    store.send(15, 0, `b/c\0${tokens[1]}\0`);
    store.client.unwatch('a', one, done);
    store.send(15, 0, `a\0${tokens[0]}\0`);
    store.send(15, 0, 'a\0stranger\0');
    store.send(15, 0, 'nonsense');
    expect(seen).toEqual(['1 a', '2 b/c']);
  });
});

describe('a store that breaks the protocol', () => {
  test('makes open and later requests fail with EIO', () => {
    store.client.read('a', done);
    Page.rsp_prod.set(store.view, 0, 5000);
    store.client.onEvent();
    store.client.read('b', done);
    expect(outcomes).toEqual([
      { state: 'refused', error: 'EIO' },
      { state: 'refused', error: 'EIO' },
    ]);
  });
  test('cannot announce more payload than there may be', () => {
    store.client.read('a', done);
    store.send(XS_READ, 1, '', 4097);
    expect(outcomes).toEqual([{ state: 'refused', error: 'EIO' }]);
  });
  test('can put anything into the page: nothing throws and every request is settled at most once', () => {
    const scribble = fc.record({
      at: fc.oneof(fc.nat(4095), fc.integer({ min: 2048, max: 2064 })),
      bytes: fc.uint8Array({ maxLength: 40 }),
    });
    fc.assert(
      fc.property(fc.array(scribble, { maxLength: 12 }), (steps) => {
        store = new FakeStore();
        outcomes = [];
        for (const [i, { at, bytes }] of steps.entries()) {
          store.client.read(`a${i}`, done);
          store.page.set(bytes.subarray(0, 4096 - at), at);
          store.client.onEvent();
        }
        expect(outcomes.length + store.client.nrPending).toBe(steps.length);
      }),
      { numRuns: 300, seed: 6 },
    );
  });
});
