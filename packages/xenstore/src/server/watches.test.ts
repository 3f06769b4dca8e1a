import {
  domId,
  XS_ERROR,
  XS_RESET_WATCHES,
  XS_RM,
  XS_SET_PERMS,
  XS_TRANSACTION_END,
  XS_TRANSACTION_START,
  XS_UNWATCH,
  XS_WATCH,
  XS_WATCH_EVENT,
  XS_WRITE,
} from '@domu/xen-abi';
import { beforeEach, describe, expect, test } from 'vitest';
import { TestStore, WireGuest, type WireMessage } from './testing.ts';

let store: TestStore;
let guest: WireGuest;

beforeEach(() => {
  store = new TestStore();
  store.mkdir('/local/domain/5');
  store.setPerms('/local/domain/5', ['n5']);
  guest = new WireGuest(store, 5);
});

/** Payloads of the events among messages. */
const events = (messages: WireMessage[]): string[] =>
  messages.filter((message) => message.type === XS_WATCH_EVENT).map((message) => message.payload);

describe("a guest's watch", () => {
  test('fires once when it is registered, after the acknowledgement, even if there is no node', () => {
    const messages = guest.exchange(XS_WATCH, 'device\0tok\0');
    expect(messages).toMatchObject([
      { type: XS_WATCH, payload: 'OK\0' },
      { type: XS_WATCH_EVENT, reqId: 0, txId: 0, payload: 'device\0tok\0' },
    ]);
  });
  test('answers relative paths when it was registered with one, and absolute ones otherwise', () => {
    guest.exchange(XS_WATCH, 'a\0rel\0');
    guest.exchange(XS_WATCH, '/local/domain/5/a\0abs\0');
    store.write('/local/domain/5/a/b', 'x');
    expect(events(guest.take())).toEqual(['a/b\0rel\0', '/local/domain/5/a/b\0abs\0']);
  });
  test('hears of changes below it, of its own changes before the reply, and not of its neighbours', () => {
    guest.exchange(XS_WATCH, 'a\0t\0');
    expect(guest.exchange(XS_WRITE, 'a/b/c\0x').map((message) => message.type)).toEqual([
      XS_WATCH_EVENT,
      XS_WRITE,
    ]);
    expect(events(guest.exchange(XS_WRITE, 'ab\0x'))).toEqual([]);
  });
  test('a token is opaque: it may be empty or hold any byte but NUL', () => {
    expect(events(guest.exchange(XS_WATCH, 'a\0\0'))).toEqual(['a\0\0']);
    expect(events(guest.exchange(XS_WATCH, 'a\0\xfe /\0'))).toEqual(['a\0\xfe /\0']);
  });
  test('when a node above is removed, it hears of its own path, if there was such a node', () => {
    guest.exchange(XS_WRITE, 'a/b/c\0x');
    guest.exchange(XS_WATCH, 'a/b\0b\0');
    guest.exchange(XS_WATCH, 'a/none\0none\0');
    guest.exchange(XS_WATCH, 'a\0a\0');
    expect(events(guest.exchange(XS_RM, 'a\0'))).toEqual(['a/b\0b\0', 'a\0a\0']);
  });
  test('is not told of nodes that the guest cannot see', () => {
    guest.exchange(XS_WATCH, '/local\0t\0');
    store.write('/local/domain/6/secret', 'x');
    expect(guest.take()).toEqual([]);
    store.setPerms('/local/domain/6/secret', ['n0', 'r5']);
    expect(events(guest.take())).toEqual(['/local/domain/6/secret\0t\0']);
    store.setPerms('/local/domain/6/secret', ['n0']);
    expect(events(guest.take())).toEqual(['/local/domain/6/secret\0t\0']);
    store.write('/local/domain/6/secret', 'y');
    expect(guest.take()).toEqual([]);
  });
  test('hears of a change of permissions', () => {
    guest.exchange(XS_WRITE, 'a\0x');
    guest.exchange(XS_WATCH, 'a\0t\0');
    expect(events(guest.exchange(XS_SET_PERMS, 'a\0n5\0r0\0'))).toEqual(['a\0t\0']);
  });
  test('cannot be registered twice, can be removed once, and needs a token', () => {
    guest.exchange(XS_WATCH, 'a\0t\0');
    expect(guest.ask(XS_WATCH, '/local/domain/5/a\0t\0')).toMatchObject({
      type: XS_ERROR,
      payload: 'EEXIST\0',
    });
    expect(guest.ask(XS_UNWATCH, 'a\0u\0')).toMatchObject({ type: XS_ERROR, payload: 'ENOENT\0' });
    expect(guest.ask(XS_UNWATCH, 'a\0t\0').payload).toBe('OK\0');
    expect(guest.ask(XS_UNWATCH, 'a\0t\0').payload).toBe('ENOENT\0');
    expect(guest.ask(XS_WATCH, 'a\0').payload).toBe('EINVAL\0');
    store.write('/local/domain/5/a', 'x');
    expect(guest.take()).toEqual([]);
  });
  test('the number of watches is limited', () => {
    for (let i = 0; i < 128; i++) expect(guest.ask(XS_WATCH, `a\0${i}\0`).payload).toBe('OK\0');
    expect(guest.ask(XS_WATCH, 'a\x00128\0').payload).toBe('E2BIG\0');
  });
  test('RESET_WATCHES forgets watches and transactions', () => {
    guest.exchange(XS_WATCH, 'a\0t\0');
    const txId = Number.parseInt(guest.ask(XS_TRANSACTION_START, '\0').payload, 10);
    expect(guest.ask(XS_RESET_WATCHES, '\0').payload).toBe('OK\0');
    expect(guest.ask(XS_TRANSACTION_END, 'T\0', txId).payload).toBe('ENOENT\0');
    store.write('/local/domain/5/a', 'x');
    expect(guest.take()).toEqual([]);
  });
  test('an event that is still waiting in the queue is not queued again', () => {
    guest.exchange(XS_WATCH, 'a\0t\0');
    for (let i = 0; i < 500; i++) store.write('/local/domain/5/a', `${i}`);
    const waiting = guest.take();
    expect(waiting.length).toBeLessThan(80);
    expect(new Set(events(waiting))).toEqual(new Set(['a\0t\0']));
  });
});

describe('special watches', () => {
  test('tell dom0 of domains that come and go, and of their shutdown once', () => {
    const seen: string[] = [];
    store.watch('@introduceDomain', 'in', (path, token) => seen.push(`${path} ${token}`));
    store.watch('@releaseDomain', 'out', (path, token) => seen.push(`${path} ${token}`));
    store.settle();
    expect(seen.splice(0)).toEqual(['@introduceDomain in', '@releaseDomain out']);
    new WireGuest(store, 6);
    store.settle();
    expect(seen.splice(0)).toEqual(['@introduceDomain in']);
    store.domainShutdown(domId(6));
    store.domainShutdown(domId(6));
    store.settle();
    expect(seen.splice(0)).toEqual(['@releaseDomain out']);
    store.released(domId(6));
    store.released(domId(6));
    store.settle();
    expect(seen.splice(0)).toEqual(['@releaseDomain out']);
  });
  test('are for dom0, and for those it lets in by SET_PERMS', () => {
    guest.exchange(XS_WATCH, '@releaseDomain\0t\0');
    new WireGuest(store, 6);
    store.released(domId(6));
    expect(guest.take()).toEqual([]);
    store.setPerms('@releaseDomain', ['n0', 'r5']);
    guest.take();
    new WireGuest(store, 6);
    store.released(domId(6));
    expect(events(guest.take())).toEqual(['@releaseDomain\0t\0']);
  });
  test('do not fire for a watch on the root', () => {
    const seen: string[] = [];
    store.watch('/', 't', (path) => seen.push(path));
    new WireGuest(store, 6);
    store.settle();
    expect(seen).toEqual(['/']);
  });
});

describe('a watch of host code', () => {
  test('is called later, never from inside the change, in the order of the changes', () => {
    const seen: string[] = [];
    store.watch('/a', 't', (path) => {
      seen.push(path);
      if (path === '/a/1') store.write('/a/3', '');
    });
    store.write('/a/1', '');
    store.write('/a/2', '');
    expect(seen).toEqual([]);
    store.settle();
    expect(seen).toEqual(['/a', '/a/1', '/a/2', '/a/3']);
  });
  test('is not called any more once it was stopped, not even for queued events', () => {
    const seen: string[] = [];
    const stop = store.watch('/a', 't', (path) => seen.push(path));
    store.write('/a', 'x');
    stop();
    store.settle();
    expect(seen).toEqual([]);
  });
  test('may be registered twice; each registration is told', () => {
    let calls = 0;
    store.watch('/a', 't', () => calls++);
    store.watch('/a', 't', () => calls++);
    store.settle();
    store.write('/a', 'x');
    store.settle();
    expect(calls).toBe(4);
  });
  test('answers relative paths when registered with one', () => {
    const seen: string[] = [];
    store.watch('backend', 't', (path) => seen.push(path));
    store.write('/local/domain/0/backend/vbd', '');
    store.settle();
    expect(seen).toEqual(['backend', 'backend/vbd']);
  });
});

describe('the end of a domain', () => {
  test('removes its nodes, its rights elsewhere, its watches and its connection', () => {
    store.write('/local/domain/0/backend/x', 'y');
    store.setPerms('/local/domain/0/backend/x', ['n0', 'r5']);
    guest.exchange(XS_WATCH, 'a\0t\0');
    store.released(domId(5));
    expect(store.read('/local/domain/5')).toBeNull();
    expect(store.getPerms('/local/domain/0/backend/x')).toEqual(['n0']);
    expect(guest.portClosed).toBe(true);
    const before = guest.page.slice();
    store.write('/local/domain/5/a', 'x');
    guest.put(guest.encode(XS_WRITE, 'a\0z'));
    guest.kick();
    expect(guest.page.subarray(1024, 2052)).toEqual(before.subarray(1024, 2052));
  });
});

describe('an observer', () => {
  test('is told from inside of each change, until it stops; a path that is none is refused', () => {
    const seen: string[] = [];
    const stop = store.observe('/local/domain/5', (path) => seen.push(path));
    expect(seen).toEqual([]);
    store.write('/local/domain/5/a', '1');
    store.write('/tool/x', '1');
    expect(seen).toEqual(['/local/domain/5/a']);
    store.rm('/local/domain/5/a');
    stop();
    store.write('/local/domain/5/b', '1');
    expect(seen).toEqual(['/local/domain/5/a', '/local/domain/5/a']);
    expect(() => store.observe('a b', () => {})).toThrow(/EINVAL/);
  });
});
