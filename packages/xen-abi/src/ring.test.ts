import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BlkifRequest } from './blkif.ts';
import { NetifRxRequest, NetifTxRequest } from './netif.ts';
import {
  freeSlots,
  idxDistance,
  isOverflow,
  mustNotify,
  nextIdx,
  nrSlots,
  slotOffset,
  unconsumed,
  unconsumedRequests,
} from './ring.ts';

const u32 = fc.integer({ min: 0, max: 0xffff_ffff });

describe('geometry', () => {
  it('gives one page 32 block slots and 256 network slots', () => {
    expect(nrSlots(4096, BlkifRequest.size)).toBe(32);
    expect(nrSlots(4096, NetifTxRequest.size)).toBe(256);
    expect(nrSlots(4096, NetifRxRequest.size)).toBe(256);
  });

  it('gives a ring of several pages its largest power of two', () => {
    expect([1, 2, 4, 8, 16].map((pages) => nrSlots(4096 * pages, BlkifRequest.size))).toEqual([
      32, 64, 128, 256, 512,
    ]);
  });

  it('has no slots where none fits', () => {
    expect(nrSlots(64, 8)).toBe(0);
  });

  it('wraps slots at the end of the ring, for any index', () => {
    expect(slotOffset(33, 32, 108)).toBe(64 + 108);
    expect(slotOffset(0xffff_ffff, 32, 108)).toBe(64 + 31 * 108);
  });
});

describe('indices', () => {
  it('count across the wrap of 32 bits', () => {
    expect(nextIdx(0xffff_ffff)).toBe(0);
    expect(idxDistance(3, 0xffff_fffe)).toBe(5);
    expect(freeSlots(3, 0xffff_fffe, 32)).toBe(27);
    expect(unconsumed(3, 0xffff_fffe)).toBe(5);
  });

  it('show a backend only requests it has room to answer', () => {
    expect(unconsumedRequests(40, 8, 0, 32)).toBe(24);
    expect(unconsumedRequests(10, 8, 8, 32)).toBe(2);
  });

  it('call a ring corrupt when more is published than fits', () => {
    expect(isOverflow(32, 0, 32)).toBe(false);
    expect(isOverflow(33, 0, 32)).toBe(true);
    expect(isOverflow(0, 1, 32)).toBe(true);
  });
});

describe('notification', () => {
  it('is due exactly when the event index lies in (old, new]', () => {
    fc.assert(
      fc.property(u32, fc.integer({ min: 0, max: 300 }), fc.integer({ min: -400, max: 400 }), (old, n, d) => {
        const event = (old + d) >>> 0;
        expect(mustNotify(old, (old + n) >>> 0, event)).toBe(d > 0 && d <= n);
      }),
    );
  });
});
