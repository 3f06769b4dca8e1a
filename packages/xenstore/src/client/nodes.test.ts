import { FakeGuestPort } from '@domu/testkit';
import type { LinearAddr } from '@domu/xen-abi';
import { beforeEach, describe, expect, test } from 'vitest';
import { XenStoreClient } from './client.ts';
import { type Nodes, readNodes, writeNodes } from './nodes.ts';
import { GuestRingPage, RingBytes } from './ring-memory.ts';
import { HOME, StoreWorld } from './testing.ts';

let world: StoreWorld;

beforeEach(() => {
  world = new StoreWorld();
});

describe('readNodes', () => {
  test('gives what is there', () => {
    world.store.write(`${HOME}/d/a`, '1');
    const seen: (Nodes | null)[] = [];
    readNodes(world.client, 'd', ['a', 'b'], (nodes) => seen.push(nodes));
    world.settle();
    expect(seen).toEqual([new Map([['a', '1']])]);
  });
  test('gives nothing when the connection starts over meanwhile', () => {
    const seen: (Nodes | null)[] = [];
    readNodes(world.client, 'd', ['a', 'b'], (nodes) => seen.push(nodes));
    world.client.resume(world.connect());
    world.settle();
    expect(seen).toEqual([null]);
  });
});

describe('writeNodes', () => {
  const errors: (string | null)[] = [];
  const done = (error: string | null): void => void errors.push(error);
  beforeEach(() => {
    errors.length = 0;
    world.store.write(`${HOME}/d/state`, '1');
    world.store.write(`${HOME}/d/old`, '1');
    world.settle();
  });

  test('makes all changes at once: whoever watches sees none of them without the others', () => {
    const seen: (string | null)[][] = [];
    const look = (): void =>
      void seen.push(['a', 'old', 'state'].map((name) => world.store.read(`${HOME}/d/${name}`)));
    world.store.watch(`${HOME}/d`, 't', look);
    world.settle();
    writeNodes(world.client, 'd', { a: '1', old: null, never: null, state: '3' }, done);
    world.settle();
    expect([seen[0], seen.at(-1), errors]).toEqual([[null, '1', '1'], ['1', null, '3'], [null]]);
    expect(seen.slice(1).every((values) => values.join() === seen[1].join())).toBe(true);
  });
  test('tries again when somebody interferes', () => {
    writeNodes(world.client, 'd', { a: '1' }, done);
    const { store } = world;
    let left = 3;
    // Every time that the transaction has read the state it changes.
    const { read } = world.client;
    world.client.read = (path, answer, txId) =>
      read.call(
        world.client,
        path,
        (outcome) => {
          if (left-- > 0) store.write(`${HOME}/d/state`, `${left}`);
          answer(outcome);
        },
        txId,
      );
    world.settle();
    expect([errors, store.read(`${HOME}/d/a`), left]).toEqual([[null], '1', 0 - 1]);
  });
  test('does not bring back a directory that the toolstack has removed', () => {
    world.store.rm(`${HOME}/d`);
    writeNodes(world.client, 'd', { a: '1', state: '3' }, done);
    world.settle();
    expect([errors, world.store.read(`${HOME}/d`)]).toEqual([['ENOENT'], null]);
  });
  test('changes nothing when one change is refused', () => {
    world.store.write('/local/domain/0/secret/state', '1');
    world.store.setPerms('/local/domain/0/secret', ['n0', 'r5']);
    world.store.setPerms('/local/domain/0/secret/state', ['n0', 'r5']);
    writeNodes(world.client, '/local/domain/0/secret', { state: '9' }, done);
    world.settle();
    expect([errors, world.store.read('/local/domain/0/secret/state')]).toEqual([['EACCES'], '1']);
  });
});

test('after a resume watches are there again, each called once, and requests work', () => {
  const seen: string[] = [];
  world.client.watch(
    'a',
    (path) => seen.push(path),
    () => {},
  );
  world.settle();
  expect(seen.splice(0)).toEqual(['a']);
  world.client.resume(world.connect());
  world.settle();
  expect(seen.splice(0)).toEqual(['a']);
  world.store.write(`${HOME}/a`, '1');
  world.settle();
  expect(seen).toEqual(['a']);
});

test('a ring page that a kernel has mapped does as well as its bytes', () => {
  const bytes = new Uint8Array(4096);
  const memory = new Uint8Array(3 * 4096);
  const guest = new FakeGuestPort(memory);
  const clients = [
    new XenStoreClient({ page: new RingBytes(bytes), notify: () => {} }),
    new XenStoreClient({ page: new GuestRingPage(guest, 4096 as LinearAddr), notify: () => {} }),
  ];
  for (const client of clients) client.write('some/where', new Uint8Array(900).fill(7), () => {});
  expect(memory.slice(4096, 8192)).toEqual(bytes);
  expect(() =>
    new XenStoreClient({ page: new GuestRingPage(guest, 0x9000 as LinearAddr), notify: () => {} }).read(
      'a',
      () => {},
    ),
  ).toThrow(/cannot be accessed/);
});
