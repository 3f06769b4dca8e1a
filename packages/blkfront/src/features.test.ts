import { describe, expect, test } from 'vitest';
import { chooseRings, DEFAULT_LIMITS, readFeatures, readProperties } from './features.ts';

const nodes = (values: Readonly<Record<string, string>>): ReadonlyMap<string, string> =>
  new Map(Object.entries(values));

describe('rings', () => {
  const limits = { ...DEFAULT_LIMITS, ringPageOrder: 2, queues: 2 };
  test.each<[Record<string, string>, number, number]>([
    [{}, 1, 1],
    [{ 'max-ring-page-order': '1', 'multi-queue-max-queues': '1' }, 2, 1],
    [{ 'max-ring-page-order': '4', 'multi-queue-max-queues': '8' }, 4, 2],
    [{ 'max-ring-pages': '4' }, 4, 1],
    [{ 'max-ring-pages': '3' }, 2, 1],
    [{ 'max-ring-page-order': 'x', 'multi-queue-max-queues': '0' }, 1, 1],
    [{ 'max-ring-page-order': '-1', 'max-ring-pages': '0' }, 1, 1],
    [{ 'max-ring-page-order': '9999999999', 'multi-queue-max-queues': '9999999999' }, 4, 2],
  ])('for a backend that offers %j: %i pages, %i rings', (offers, ringPages, queues) => {
    expect(chooseRings(nodes(offers), limits)).toEqual({ ringPages, queues });
  });
});

describe('the disk', () => {
  test('is described by what the backend says, and by defaults where it does not', () => {
    expect(readProperties(nodes({ sectors: '100' }))).toEqual({
      sectors: 100,
      readonly: false,
      removable: false,
      cdrom: false,
      sectorBytes: 512,
      physicalSectorBytes: 512,
      discard: null,
    });
    const all = {
      sectors: '8',
      info: '7',
      'sector-size': '4096',
      'feature-discard': '1',
      'discard-secure': '1',
    };
    expect(readProperties(nodes(all))).toEqual({
      sectors: 8,
      readonly: true,
      removable: true,
      cdrom: true,
      sectorBytes: 4096,
      physicalSectorBytes: 4096,
      discard: { granularity: 4096, alignment: 0, secure: true },
    });
  });
  test.each<Record<string, string>>([
    {},
    { sectors: '' },
    { sectors: '1e3' },
    { sectors: '99999999999999999' },
    { sectors: '1', 'sector-size': '0' },
    { sectors: '1', 'sector-size': '513' },
    { sectors: '1', 'sector-size': '8192' },
  ])('described as %j is none', (values) => {
    expect(typeof readProperties(nodes(values))).toBe('string');
  });
});

test('requests are as large as both sides allow, and never larger than eleven pages without indirect ones', () => {
  const segments = (offer: string | null, limit: number): number =>
    readFeatures(nodes(offer === null ? {} : { 'feature-max-indirect-segments': offer }), {
      ...DEFAULT_LIMITS,
      segments: limit,
    }).maxSegments;
  expect([segments(null, 64), segments('5', 64), segments('32', 64), segments('256', 64)]).toEqual([
    11, 11, 32, 64,
  ]);
  expect([segments('256', 4), segments('999999', 999999), segments('256', 0)]).toEqual([4, 4096, 1]);
});
