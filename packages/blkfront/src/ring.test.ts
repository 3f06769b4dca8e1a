import { FrontRing } from '@domu/grant-table/guest';
import { FakeGuestPort } from '@domu/testkit';
import { BlkifResponse, type LinearAddr, Sring } from '@domu/xen-abi';
import { beforeEach, describe, expect, test } from 'vitest';
import { AnswerReader } from './ring.ts';

const PAGES = [0x3000, 0x1000, 0x5000, 0x2000] as LinearAddr[];
const STRIDE = 108;
const answers = new AnswerReader();
let memory: Uint8Array;
let ring: FrontRing;

const header = (): DataView => new DataView(memory.buffer, PAGES[0]);
/** A byte of the ring, wherever its page is. */
const at = (offset: number): number => PAGES[offset >>> 12] + (offset & 0xfff);

/** Answers as the backend does. */
function answer(slot: number, id: number, status = 0): void {
  const bytes = new Uint8Array(BlkifResponse.size);
  const view = new DataView(bytes.buffer);
  BlkifResponse.id.setNumber(view, 0, id);
  BlkifResponse.status.set(view, 0, status);
  for (const [i, byte] of bytes.entries()) memory[at(64 + slot * STRIDE + i)] = byte;
}

beforeEach(() => {
  memory = new Uint8Array(0x6000).fill(0xaa);
  ring = new FrontRing(new FakeGuestPort(memory), PAGES, STRIDE);
});

describe('a ring of four pages that are no neighbours', () => {
  test('begins empty, with an event wanted for the first of each', () => {
    expect(ring.slots).toBe(128);
    expect(
      [Sring.req_prod, Sring.req_event, Sring.rsp_prod, Sring.rsp_event].map((field) =>
        field.get(header(), 0),
      ),
    ).toEqual([0, 1, 0, 1]);
  });
  test('holds a request in each slot, also where a slot goes on in the next page', () => {
    for (let i = 0; i < ring.slots; i++) ring.put(new Uint8Array(STRIDE).fill(i));
    expect(ring.free).toBe(0);
    for (let i = 0; i < ring.slots; i++) {
      const [first, last] = [64 + i * STRIDE, 64 + i * STRIDE + STRIDE - 1];
      expect([memory[at(first)], memory[at(last)]]).toEqual([i, i]);
    }
  });
  test('shows requests when they are published, and tells whether the backend wants to know', () => {
    ring.put(new Uint8Array(20));
    expect(Sring.req_prod.get(header(), 0)).toBe(0);
    expect([ring.publish(), ring.publish(), Sring.req_prod.get(header(), 0)]).toEqual([true, false, 1]);
    ring.put(new Uint8Array(20));
    expect(ring.publish()).toBe(false);
    Sring.req_event.set(header(), 0, 3);
    ring.put(new Uint8Array(20));
    expect(ring.publish()).toBe(true);
  });
  test('gives answers in order and asks for the event of the next', () => {
    for (let i = 0; i < 40; i++) ring.put(new Uint8Array(STRIDE));
    ring.publish();
    for (let i = 0; i < 40; i++) answer(i, 100 + i, -1);
    Sring.rsp_prod.set(header(), 0, 40);
    const ids: number[] = [];
    expect(answers.take(ring, (id, _operation, status) => ids.push(id) > 0 && status === -1)).toBe(true);
    expect([ids.length, ids[39], ring.free, Sring.rsp_event.get(header(), 0)]).toEqual([40, 139, 128, 41]);
  });
  test('finds an answer that comes while it asks for the event', () => {
    ring.put(new Uint8Array(STRIDE));
    ring.put(new Uint8Array(STRIDE));
    ring.publish();
    answer(0, 1);
    answer(1, 2);
    Sring.rsp_prod.set(header(), 0, 1);
    const ids: number[] = [];
    answers.take(ring, (id) => {
      Sring.rsp_prod.set(header(), 0, 2);
      return ids.push(id) > 0;
    });
    expect(ids).toEqual([1, 2]);
  });
  test.each([1, 200, 0xffff_ffff])(
    'is left alone when the backend has answered %i requests of none',
    (rspProd) => {
      ring.put(new Uint8Array(STRIDE));
      Sring.rsp_prod.set(header(), 0, rspProd);
      let taken = 0;
      expect([answers.take(ring, () => ++taken > 0), taken]).toEqual([false, 0]);
    },
  );
});

test('a ring whose pages are not mapped is the kernel’s bug', () => {
  expect(() => new FrontRing(new FakeGuestPort(memory), [0x9000 as LinearAddr], STRIDE)).toThrow(
    /cannot be accessed/,
  );
});
