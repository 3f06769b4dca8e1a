import {
  XS_DIRECTORY,
  XS_ERROR,
  XS_MKDIR,
  XS_READ,
  XS_RM,
  XS_TRANSACTION_END,
  XS_TRANSACTION_START,
  XS_WATCH,
  XS_WATCH_EVENT,
  XS_WRITE,
} from '@domu/xen-abi';
import { beforeEach, describe, expect, test } from 'vitest';
import { XenStoreUsageError } from './errors.ts';
import { TestStore, WireGuest } from './testing.ts';

let store: TestStore;
let guest: WireGuest;

beforeEach(() => {
  store = new TestStore();
  store.mkdir('/local/domain/5');
  store.setPerms('/local/domain/5', ['n5']);
  for (const name of ['a', 'b', 'c']) store.write(`/local/domain/5/${name}`, `${name}0`);
  guest = new WireGuest(store, 5);
});

const start = (): number => Number.parseInt(guest.ask(XS_TRANSACTION_START, '\0').payload, 10);
const read = (path: string, txId = 0): string => guest.ask(XS_READ, `${path}\0`, txId).payload;
const write = (path: string, value: string, txId = 0): string =>
  guest.ask(XS_WRITE, `${path}\0${value}`, txId).payload;
const end = (txId: number, verdict = 'T'): string =>
  guest.ask(XS_TRANSACTION_END, `${verdict}\0`, txId).payload;

describe('a transaction', () => {
  test('gets a number that is not 0, as decimal text with a NUL', () => {
    expect(guest.ask(XS_TRANSACTION_START, '\0').payload).toBe('1\0');
    expect(guest.ask(XS_TRANSACTION_START, '\0').payload).toBe('2\0');
  });
  test('sees its own changes, which others see once it has committed', () => {
    const tx = start();
    write('a', 'a1', tx);
    guest.ask(XS_MKDIR, 'new/dir\0', tx);
    guest.ask(XS_RM, 'c\0', tx);
    expect([read('a', tx), read('a')]).toEqual(['a1', 'a0']);
    expect(guest.ask(XS_DIRECTORY, '/local/domain/5\0', tx).payload).toBe('a\0b\0new\0');
    expect(guest.ask(XS_DIRECTORY, '/local/domain/5\0').payload).toBe('a\0b\0c\0');
    expect(end(tx)).toBe('OK\0');
    expect(guest.ask(XS_DIRECTORY, '/local/domain/5\0').payload).toBe('a\0b\0new\0');
    expect(read('a')).toBe('a1');
  });
  test('leaves nothing behind when it is given up', () => {
    const tx = start();
    write('a', 'a1', tx);
    expect(end(tx, 'F')).toBe('OK\0');
    expect(read('a')).toBe('a0');
    expect(end(tx)).toBe('ENOENT\0');
  });
  test('does not see what others change meanwhile', () => {
    const tx = start();
    store.write('/local/domain/5/a', 'outside');
    expect(read('a', tx)).toBe('a0');
  });
});

describe('conflicts', () => {
  test('a node read in the transaction and changed outside gives EAGAIN, and nothing is applied', () => {
    const tx = start();
    read('a', tx);
    write('b', 'b1', tx);
    store.write('/local/domain/5/a', 'outside');
    expect(guest.ask(XS_TRANSACTION_END, 'T\0', tx)).toMatchObject({ type: XS_ERROR, payload: 'EAGAIN\0' });
    expect(read('b')).toBe('b0');
    expect(end(tx)).toBe('ENOENT\0');
  });
  test('changes elsewhere do not disturb it', () => {
    const tx = start();
    read('a', tx);
    write('b', 'b1', tx);
    store.write('/local/domain/5/c', 'outside');
    store.write('/local/domain/6/x', 'outside');
    expect(end(tx)).toBe('OK\0');
    expect([read('b'), read('c')]).toEqual(['b1', 'outside']);
  });
  test('retrying after EAGAIN succeeds', () => {
    const first = start();
    write('a', 'mine', first);
    store.write('/local/domain/5/a', 'outside');
    expect(end(first)).toBe('EAGAIN\0');
    const second = start();
    write('a', 'mine', second);
    expect(end(second)).toBe('OK\0');
    expect(read('a')).toBe('mine');
  });
  test('of two transactions that both write what the other read, the second fails', () => {
    const [one, two] = [start(), start()];
    read('a', one);
    read('b', two);
    write('b', '1', one);
    write('a', '2', two);
    expect([end(one), end(two)]).toEqual(['OK\0', 'EAGAIN\0']);
  });
  test('a node that was missing and appeared is a conflict, one that was removed too', () => {
    const one = start();
    expect(read('new', one)).toBe('ENOENT\0');
    const two = start();
    read('c', two);
    store.write('/local/domain/5/new', '');
    store.rm('/local/domain/5/c');
    expect([end(one), end(two)]).toEqual(['EAGAIN\0', 'EAGAIN\0']);
  });
  test('a directory that was listed conflicts with a new child, not with a change below a child', () => {
    const one = start();
    guest.ask(XS_DIRECTORY, '/local/domain/5\0', one);
    store.write('/local/domain/5/a', 'other value');
    expect(end(one)).toBe('OK\0');
    const two = start();
    guest.ask(XS_DIRECTORY, '/local/domain/5\0', two);
    store.mkdir('/local/domain/5/new');
    expect(end(two)).toBe('EAGAIN\0');
  });
});

describe('watches and transactions', () => {
  test('fire at the commit, once per node, in the order of the first changes, before the reply', () => {
    guest.ask(XS_WATCH, '/local/domain/5\0t\0');
    guest.take();
    const tx = start();
    for (const path of ['b', 'a', 'b', 'x/y']) {
      expect(guest.exchange(XS_WRITE, `${path}\0v`, tx).map((message) => message.type)).toEqual([XS_WRITE]);
    }
    const told = guest.exchange(XS_TRANSACTION_END, 'T\0', tx);
    expect(told.map((message) => message.payload)).toEqual([
      '/local/domain/5/b\0t\0',
      '/local/domain/5/a\0t\0',
      '/local/domain/5/x/y\0t\0',
      'OK\0',
    ]);
    expect(told[0].type).toBe(XS_WATCH_EVENT);
  });
  test('a node removed in a transaction is told to those who could read it', () => {
    guest.ask(XS_WATCH, 'c\0t\0');
    const tx = start();
    guest.ask(XS_RM, 'c\0', tx);
    expect(guest.exchange(XS_TRANSACTION_END, 'T\0', tx).map((message) => message.payload)).toEqual([
      'c\0t\0',
      'OK\0',
    ]);
  });
});

describe('limits', () => {
  test('transactions do not nest', () => {
    expect(guest.ask(XS_TRANSACTION_START, '\0', start()).payload).toBe('EBUSY\0');
  });
  test('a guest may hold ten open', () => {
    const open = Array.from({ length: 10 }, start);
    expect(guest.ask(XS_TRANSACTION_START, '\0').payload).toBe('ENOSPC\0');
    end(open[3], 'F');
    expect(start()).toBeGreaterThan(0);
  });
  test('END wants T or F', () => {
    const tx = start();
    for (const verdict of ['X\0', 'T', '', 'TF\0']) {
      expect(guest.ask(XS_TRANSACTION_END, verdict, tx).payload).toBe('EINVAL\0');
    }
    expect(guest.ask(XS_TRANSACTION_END, 'T\0').payload).toBe('ENOENT\0');
  });
  test('a transaction that touches too many nodes cannot commit', () => {
    store = new TestStore({ quotas: { transactionNodes: 4 } });
    store.mkdir('/local/domain/5');
    store.setPerms('/local/domain/5', ['n5']);
    guest = new WireGuest(store, 5);
    const tx = start();
    expect(write('a/b/c/d', 'x', tx)).toBe('ENOSPC\0');
    expect(end(tx)).toBe('ENOMEM\0');
    expect(store.directory('/local/domain/5')).toEqual([]);
  });
  test('the node quota holds for transactions that are open at the same time', () => {
    store = new TestStore({ quotas: { nodes: 3 } });
    store.mkdir('/local/domain/5/left');
    store.mkdir('/local/domain/5/right');
    for (const path of ['', '/left', '/right']) store.setPerms(`/local/domain/5${path}`, ['b0', 'b5']);
    guest = new WireGuest(store, 5);
    const [one, two] = [start(), start()];
    expect(write('left/1/2', '', one)).toBe('OK\0');
    expect(write('right/1/2', '', two)).toBe('OK\0');
    expect([end(one), end(two)]).toEqual(['OK\0', 'ENOSPC\0']);
    expect(store.directory('/local/domain/5/right')).toEqual([]);
  });
});

describe('host code', () => {
  test('makes several changes at once', () => {
    const seen: (string | null)[] = [];
    store.watch('/x', 't', () => seen.push(store.read('/x/2')));
    store.settle();
    const result = store.transaction((tx) => {
      tx.write('/x/1', 'a');
      tx.write('/x/2', 'b');
      expect(store.read('/x/1')).toBeNull();
      return tx.read('/x/2');
    });
    store.settle();
    expect(result).toBe('b');
    expect(seen).toEqual([null, 'b', 'b']);
  });
  test('makes none when it throws in between', () => {
    expect(() =>
      store.transaction((tx) => {
        tx.write('/x', 'a');
        throw new Error('stop');
      }),
    ).toThrow('stop');
    expect(store.read('/x')).toBeNull();
  });
  test('reads null for what is not there or not a path, and throws only when it writes nonsense', () => {
    expect(store.read('/none')).toBeNull();
    expect(store.read('not a path')).toBeNull();
    expect(store.directory('/none')).toBeNull();
    expect(store.getPerms('//')).toBeNull();
    store.rm('/none/at/all');
    expect(() => store.write('/not a path', '')).toThrow(XenStoreUsageError);
    expect(() => store.setPerms('/tool', ['q1'])).toThrow(XenStoreUsageError);
  });
});
