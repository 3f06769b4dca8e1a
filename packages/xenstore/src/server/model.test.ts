import {
  XS_DIRECTORY,
  XS_ERROR,
  XS_MKDIR,
  XS_READ,
  XS_RM,
  XS_TRANSACTION_END,
  XS_TRANSACTION_START,
  XS_WRITE,
} from '@domu/xen-abi';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { TestStore, WireGuest } from './testing.ts';

/** The simplest store there is: paths below /local/domain/5, in order of creation. */
type Model = Map<string, string>;

const parentOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('/')));
const isIn = (path: string, dir: string): boolean => dir === '' || path === dir || path.startsWith(`${dir}/`);

function make(model: Model, path: string): void {
  const parts = path.split('/');
  for (let i = 1; i <= parts.length; i++) {
    const at = parts.slice(0, i).join('/');
    if (!model.has(at)) model.set(at, '');
  }
}

/** @returns the reply's payload, with `!` in front of an error */
function expected(model: Model, op: Op): string {
  switch (op.kind) {
    case 'read':
      return model.get(op.path) ?? '!ENOENT\0';
    case 'directory':
      if (!model.has(op.path)) return '!ENOENT\0';
      return [...model.keys()]
        .filter((at) => parentOf(at) === op.path && at !== '')
        .map((at) => `${at.slice(at.lastIndexOf('/') + 1)}\0`)
        .join('');
    case 'write':
      make(model, op.path);
      model.set(op.path, op.value);
      return 'OK\0';
    case 'mkdir':
      make(model, op.path);
      return 'OK\0';
    case 'rm':
      if (!model.has(op.path)) return model.has(parentOf(op.path)) ? 'OK\0' : '!ENOENT\0';
      for (const at of [...model.keys()]) if (at !== '' && isIn(at, op.path)) model.delete(at);
      return 'OK\0';
  }
}

type Op =
  | { readonly kind: 'read' | 'directory' | 'mkdir' | 'rm'; readonly path: string }
  | { readonly kind: 'write'; readonly path: string; readonly value: string };

const path = fc
  .array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 3 })
  .map((parts) => parts.join('/'));
const op: fc.Arbitrary<Op> = fc.oneof(
  fc.record({
    kind: fc.constantFrom('read' as const, 'directory' as const, 'mkdir' as const, 'rm' as const),
    path,
  }),
  fc.record({ kind: fc.constant('write' as const), path, value: fc.string({ maxLength: 3 }) }),
);
const TYPES = { read: XS_READ, directory: XS_DIRECTORY, mkdir: XS_MKDIR, rm: XS_RM, write: XS_WRITE };

function ask(guest: WireGuest, request: Op, txId = 0): string {
  const tail = request.kind === 'write' ? request.value : '';
  const reply = guest.ask(TYPES[request.kind], `${request.path}\0${tail}`, txId);
  return reply.type === XS_ERROR ? `!${reply.payload}` : reply.payload;
}

function newGuest(): WireGuest {
  const store = new TestStore();
  store.mkdir('/local/domain/5');
  store.setPerms('/local/domain/5', ['n5']);
  return new WireGuest(store, 5);
}

const asciiOnly = (value: string): boolean => [...value].every((char) => char.charCodeAt(0) < 256);
const plainOp = op.filter((request) => request.kind !== 'write' || asciiOnly(request.value));

test('random operations answer as a simple model does', () => {
  fc.assert(
    fc.property(fc.array(plainOp, { maxLength: 40 }), (requests) => {
      const guest = newGuest();
      const model: Model = new Map([['', '']]);
      for (const request of requests) expect(ask(guest, request)).toBe(expected(model, request));
    }),
    { numRuns: 150, seed: 2 },
  );
});

test('a transaction that commits is the same as its operations at once; one that fails is nothing at all', () => {
  const step = fc.record({ inside: fc.boolean(), request: plainOp });
  fc.assert(
    fc.property(fc.array(plainOp, { maxLength: 8 }), fc.array(step, { maxLength: 16 }), (before, steps) => {
      const guest = newGuest();
      const outside: Model = new Map([['', '']]);
      for (const request of before) expect(ask(guest, request)).toBe(expected(outside, request));
      const inside: Model = new Map(outside);
      const txId = Number.parseInt(guest.ask(XS_TRANSACTION_START, '\0').payload, 10);
      const own: Op[] = [];
      for (const { inside: isOwn, request } of steps) {
        if (isOwn) own.push(request);
        expect(ask(guest, request, isOwn ? txId : 0)).toBe(expected(isOwn ? inside : outside, request));
      }
      const verdict = guest.ask(XS_TRANSACTION_END, 'T\0', txId).payload;
      expect(['OK\0', 'EAGAIN\0']).toContain(verdict);
      if (steps.every(({ inside: isOwn, request }) => isOwn || request.kind === 'read'))
        expect(verdict).toBe('OK\0');
      if (verdict === 'OK\0') for (const request of own) expected(outside, request);
      for (const [at, value] of outside) {
        if (at !== '') expect(ask(guest, { kind: 'read', path: at })).toBe(value);
        const check: Op = { kind: 'directory', path: at };
        if (at !== '') expect(ask(guest, check)).toBe(expected(outside, check));
      }
    }),
    { numRuns: 150, seed: 3 },
  );
});
