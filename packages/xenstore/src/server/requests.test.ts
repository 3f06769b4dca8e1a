import {
  XS_CONTROL,
  XS_DIRECTORY,
  XS_DIRECTORY_PART,
  XS_ERROR,
  XS_GET_DOMAIN_PATH,
  XS_GET_PERMS,
  XS_INTRODUCE,
  XS_IS_DOMAIN_INTRODUCED,
  XS_MKDIR,
  XS_READ,
  XS_RELEASE,
  XS_RESUME,
  XS_RM,
  XS_SET_PERMS,
  XS_SET_TARGET,
  XS_WATCH_EVENT,
  XS_WRITE,
} from '@domu/xen-abi';
import { beforeEach, describe, expect, test } from 'vitest';
import { TestStore, WireGuest } from './testing.ts';

let store: TestStore;
let guest: WireGuest;

beforeEach(() => {
  store = new TestStore();
  store.mkdir('/local/domain/5');
  store.setPerms('/local/domain/5', ['n5']);
  store.write('/local/domain/5/domid', '5');
  guest = new WireGuest(store, 5);
});

const error = (name: string): object => expect.objectContaining({ type: XS_ERROR, payload: `${name}\0` });
const ok = (type: number): object => expect.objectContaining({ type, payload: 'OK\0' });

describe('replies', () => {
  test('a value is answered without a NUL behind it', () => {
    expect(guest.ask(XS_READ, 'domid\0')).toMatchObject({ type: XS_READ, payload: '5', txId: 0 });
  });
  test('an empty value is answered as an empty payload, not as an error', () => {
    guest.ask(XS_MKDIR, 'data\0');
    expect(guest.ask(XS_READ, 'data\0')).toMatchObject({ type: XS_READ, payload: '' });
  });
  test('a write is acknowledged with OK and its NUL', () => {
    expect(guest.ask(XS_WRITE, 'data/x\0hello')).toEqual(ok(XS_WRITE));
    expect(store.read('/local/domain/5/data/x')).toBe('hello');
  });
  test('a value may hold NULs and any other byte', () => {
    guest.ask(XS_WRITE, 'data\0a\0\xff\0');
    expect(guest.ask(XS_READ, 'data\0').payload).toBe('a\0\xff\0');
  });
  test('the header of a reply carries the ids of the request', () => {
    const first = guest.ask(XS_READ, 'domid\0');
    expect(guest.ask(XS_READ, 'nothing\0', 0).reqId).toBe(first.reqId + 1);
  });
  test('a relative path and the absolute path that it stands for name the same node', () => {
    guest.ask(XS_WRITE, 'a/b\0v');
    expect(guest.ask(XS_READ, '/local/domain/5/a/b\0').payload).toBe('v');
  });
  test('the directory of a leaf is an empty payload; names come in order of creation, each with its NUL', () => {
    expect(guest.ask(XS_DIRECTORY, 'domid\0')).toMatchObject({ type: XS_DIRECTORY, payload: '' });
    guest.ask(XS_WRITE, 'zz\0');
    guest.ask(XS_WRITE, 'aa\0');
    expect(guest.ask(XS_DIRECTORY, '/local/domain/5\0').payload).toBe('domid\0zz\0aa\0');
  });
  test('GET_DOMAIN_PATH answers for any domain', () => {
    expect(guest.ask(XS_GET_DOMAIN_PATH, '17\0').payload).toBe('/local/domain/17\0');
  });
});

describe('errors', () => {
  test('a missing node reads as ENOENT where the guest may look', () => {
    expect(guest.ask(XS_READ, 'nothing/here\0')).toEqual(error('ENOENT'));
    expect(guest.ask(XS_DIRECTORY, 'nothing\0')).toEqual(error('ENOENT'));
  });
  test('outside its reach a guest gets EACCES, whether the node exists or not', () => {
    store.write('/local/domain/6/secret', 's');
    expect(guest.ask(XS_READ, '/local/domain/6/secret\0')).toEqual(error('EACCES'));
    expect(guest.ask(XS_READ, '/local/domain/6/none\0')).toEqual(error('EACCES'));
    expect(guest.ask(XS_WRITE, '/local/domain/6/none\0x')).toEqual(error('EACCES'));
  });
  test.each([
    ['', 'empty payload'],
    ['domid', 'no NUL'],
    ['domid\0\0', 'two NULs'],
    ['\0', 'empty path'],
    ['dom id\0', 'a space'],
    ['a//b\0', 'doubled slash'],
    ['a/\0', 'trailing slash'],
    ['@releaseDomain\0', 'a special path'],
    [`${'x'.repeat(2049)}\0`, 'a path longer than 2048 bytes'],
  ])('READ of %j is EINVAL: %s', (payload) => {
    expect(guest.ask(XS_READ, payload)).toEqual(error('EINVAL'));
  });
  test('a path of exactly 2048 bytes below the own directory is a path', () => {
    expect(guest.ask(XS_READ, `${'x'.repeat(2048)}\0`)).toEqual(error('ENOENT'));
  });
  test('a WRITE without a NUL is EINVAL', () => {
    expect(guest.ask(XS_WRITE, 'data')).toEqual(error('EINVAL'));
  });
  test('an unknown type is ENOSYS, an event or error sent as a request too', () => {
    for (const type of [20, 23, 0xffff_ffff, XS_WATCH_EVENT, XS_ERROR]) {
      expect(guest.ask(type, '\0')).toEqual(error('ENOSYS'));
    }
  });
  test('an unknown transaction is ENOENT', () => {
    expect(guest.ask(XS_READ, 'domid\0', 77)).toEqual(error('ENOENT'));
  });
  test.each([XS_CONTROL, XS_INTRODUCE, XS_RELEASE, XS_IS_DOMAIN_INTRODUCED, XS_RESUME, XS_SET_TARGET])(
    'request type %i is for dom0 only',
    (type) => {
      expect(guest.ask(type, '5\x001\x002\0')).toEqual(error('EACCES'));
    },
  );
});

describe('MKDIR and RM', () => {
  test('MKDIR makes parents and leaves an existing value alone', () => {
    guest.ask(XS_WRITE, 'a\0v');
    expect(guest.ask(XS_MKDIR, 'a\0')).toEqual(ok(XS_MKDIR));
    expect(guest.ask(XS_MKDIR, 'b/c/d\0')).toEqual(ok(XS_MKDIR));
    expect(guest.ask(XS_READ, 'a\0').payload).toBe('v');
    expect(guest.ask(XS_READ, 'b/c\0').payload).toBe('');
  });
  test('RM takes everything below; a missing node is fine if its parent exists', () => {
    guest.ask(XS_WRITE, 'a/b/c\0v');
    expect(guest.ask(XS_RM, 'a\0')).toEqual(ok(XS_RM));
    expect(guest.ask(XS_READ, 'a/b/c\0')).toEqual(error('ENOENT'));
    expect(guest.ask(XS_RM, 'a\0')).toEqual(ok(XS_RM));
    expect(guest.ask(XS_RM, 'a/b\0')).toEqual(error('ENOENT'));
  });
  test('the root cannot be removed', () => {
    const dom0 = new WireGuest(store, 0);
    expect(dom0.ask(XS_RM, '/\0')).toEqual(error('EINVAL'));
    expect(guest.ask(XS_RM, '/\0')).toEqual(error('EACCES'));
  });
});

describe('permissions', () => {
  test('a guest owns what it creates, and other rights are inherited', () => {
    store.setPerms('/local/domain/5', ['n5', 'r7']);
    guest.ask(XS_WRITE, 'data\0x');
    expect(guest.ask(XS_GET_PERMS, 'data\0').payload).toBe('n5\0r7\0');
  });
  test('what dom0 creates inherits the owner of its parent', () => {
    expect(store.getPerms('/local/domain/5/domid')).toEqual(['n5']);
  });
  test("another domain gets what its entry says, else what the owner's entry says", () => {
    const other = new WireGuest(store, 7);
    const read = (): object => other.ask(XS_READ, '/local/domain/5/domid\0');
    expect(read()).toEqual(error('EACCES'));
    guest.ask(XS_SET_PERMS, 'domid\0n5\0r7\0');
    expect(read()).toMatchObject({ payload: '5' });
    expect(other.ask(XS_WRITE, '/local/domain/5/domid\0x')).toEqual(error('EACCES'));
    guest.ask(XS_SET_PERMS, 'domid\0b5\0n7\0');
    expect(read()).toEqual(error('EACCES'));
    guest.ask(XS_SET_PERMS, 'domid\0w5\0');
    expect(other.ask(XS_WRITE, '/local/domain/5/domid\0x')).toEqual(ok(XS_WRITE));
    expect(read()).toEqual(error('EACCES'));
  });
  test('a guest can neither give a node away nor change what it does not own', () => {
    expect(guest.ask(XS_SET_PERMS, 'domid\0n0\0r5\0')).toEqual(error('EPERM'));
    store.setPerms('/local/domain/5/domid', ['n0', 'b5']);
    expect(guest.ask(XS_SET_PERMS, 'domid\0n5\0')).toEqual(error('EACCES'));
  });
  test.each(['domid\0', 'domid\0x5\0', 'domid\0n\0', 'domid\0n99999\0', ''])(
    'SET_PERMS of %j is EINVAL',
    (payload) => {
      expect(guest.ask(XS_SET_PERMS, payload)).toEqual(error('EINVAL'));
    },
  );
  test('an owner that does not exist is refused, another domain that does not exist is left out', () => {
    store = new TestStore({ domainExists: (domid) => domid === 0 || domid === 5 });
    store.mkdir('/local/domain/5');
    store.setPerms('/local/domain/5', ['n5']);
    guest = new WireGuest(store, 5);
    expect(guest.ask(XS_SET_PERMS, '/local/domain/5\0n9\0')).toEqual(error('ENOENT'));
    expect(guest.ask(XS_SET_PERMS, '/local/domain/5\0n5\0r9\0')).toEqual(ok(XS_SET_PERMS));
    expect(store.getPerms('/local/domain/5')).toEqual(['n5']);
  });
  test('SET_TARGET lends a domain the rights of another', () => {
    const helper = new WireGuest(store, 8);
    const dom0 = new WireGuest(store, 0);
    expect(helper.ask(XS_READ, '/local/domain/5/domid\0')).toEqual(error('EACCES'));
    expect(dom0.ask(XS_SET_TARGET, '8\x005\0')).toEqual(ok(XS_SET_TARGET));
    expect(helper.ask(XS_READ, '/local/domain/5/domid\0').payload).toBe('5');
  });
});

describe('DIRECTORY_PART', () => {
  test('parts of a long directory add up to the whole, and a changed directory shows in the generation', () => {
    const names = Array.from({ length: 900 }, (_, i) => `child-${i}`);
    for (const name of names) store.mkdir(`/local/domain/5/many/${name}`);
    expect(guest.ask(XS_DIRECTORY, 'many\0')).toEqual(error('E2BIG'));
    const all: string[] = [];
    const generations = new Set<string>();
    for (let offset = 0, done = false; !done; ) {
      const [generation, ...part] = guest.ask(XS_DIRECTORY_PART, `many\0${offset}\0`).payload.split('\0');
      generations.add(generation);
      part.pop();
      done = part.at(-1) === '';
      if (done) part.pop();
      all.push(...part);
      offset += part.reduce((sum, name) => sum + name.length + 1, 0);
    }
    expect(all).toEqual(names);
    expect(generations.size).toBe(1);
    store.mkdir('/local/domain/5/many/another');
    const [generation] = guest.ask(XS_DIRECTORY_PART, 'many\x000\0').payload.split('\0');
    expect(generations.has(generation)).toBe(false);
  });
  test('an offset behind the end answers an empty list', () => {
    expect(guest.ask(XS_DIRECTORY_PART, 'domid\x0099\0').payload).toMatch(/^[0-9]+\0\0$/);
  });
});

describe('quotas', () => {
  test('a guest may own so many nodes and no more; dom0 is not limited', () => {
    store = new TestStore({ quotas: { nodes: 4 } });
    store.mkdir('/local/domain/5');
    store.setPerms('/local/domain/5', ['n5']);
    guest = new WireGuest(store, 5);
    expect(guest.ask(XS_WRITE, 'a/b/c\0x')).toEqual(ok(XS_WRITE));
    expect(guest.ask(XS_WRITE, 'd\0x')).toEqual(error('ENOSPC'));
    expect(guest.ask(XS_WRITE, 'a/b/c\0y')).toEqual(ok(XS_WRITE));
    guest.ask(XS_RM, 'a/b/c\0');
    expect(guest.ask(XS_WRITE, 'd\0x')).toEqual(ok(XS_WRITE));
    for (let i = 0; i < 10; i++) store.mkdir(`/tool/${i}`);
  });
  test('a node that would grow past the limit is refused, by its value or by its children', () => {
    expect(guest.ask(XS_WRITE, `a\0${'x'.repeat(2048)}`)).toEqual(error('ENOSPC'));
    expect(guest.ask(XS_WRITE, `a\0${'x'.repeat(2010)}`)).toEqual(ok(XS_WRITE));
    expect(guest.ask(XS_WRITE, 'a/child-with-a-long-name\0')).toEqual(error('ENOSPC'));
  });
  test('a permission list has a limit', () => {
    expect(guest.ask(XS_SET_PERMS, 'domid\0n5\0r1\0r2\0r3\0r4\0r6\0')).toEqual(error('ENOSPC'));
  });
});
