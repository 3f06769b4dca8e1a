import {
  BlkifRequest,
  BlkifRequestDiscard,
  BlkifRequestIndirect,
  BlkifRequestSegment,
  type LinearAddr,
} from '@domu/xen-abi';
import { expect, test } from 'vitest';
import { indirectDescriptors, RequestEncoder } from './encode.ts';

const encoder = new RequestEncoder();
const pages = Array.from({ length: 600 }, (_, i) => ({ va: 0 as LinearAddr, gfn: i, gref: 1000 + i }));
const head = { operation: 1, handle: 0xca00, id: 2 ** 40 + 3, sector: 2 ** 33 + 5 };

test('a direct request names its pages, and of the last as much as there is data', () => {
  const bytes = encoder.direct(head, { pages: pages.slice(0, 3), lengthBytes: 2 * 4096 + 1024 });
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const { operation, nr_segments, handle, id, sector_number, seg } = BlkifRequest;
  expect([operation.get(view, 0), nr_segments.get(view, 0), handle.get(view, 0)]).toEqual([1, 3, 0xca00]);
  expect([id.getNumber(view, 0), sector_number.getNumber(view, 0)]).toEqual([head.id, head.sector]);
  const segments = [0, 1, 2].map((i) => {
    const at = seg.at(0, i);
    const { gref, first_sect, last_sect } = BlkifRequestSegment;
    return [gref.get(view, at), first_sect.get(view, at), last_sect.get(view, at)];
  });
  expect(segments).toEqual([
    [1000, 0, 7],
    [1001, 0, 7],
    [1002, 0, 1],
  ]);
});

test('an indirect request names the pages with the descriptions, 512 on each', () => {
  const bytes = encoder.indirect(head, 600, pages.slice(0, 2));
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const { operation, indirect_op, nr_segments, handle, indirect_grefs } = BlkifRequestIndirect;
  expect([operation, indirect_op, nr_segments, handle].map((field) => field.get(view, 0))).toEqual([
    6, 1, 600, 0xca00,
  ]);
  expect([indirect_grefs.get(view, 0, 0), indirect_grefs.get(view, 0, 1)]).toEqual([1000, 1001]);
  const data = { pages, lengthBytes: 599 * 4096 + 512 };
  const second = indirectDescriptors(data, 1);
  const last = new DataView(second.buffer, 87 * 8);
  expect([indirectDescriptors(data, 0).length, second.length]).toEqual([4096, 88 * 8]);
  expect([BlkifRequestSegment.gref.get(last, 0), BlkifRequestSegment.last_sect.get(last, 0)]).toEqual([
    1599, 0,
  ]);
});

test('a discard says where, how much and whether no copy may remain', () => {
  const bytes = encoder.discard(head, 2 ** 35, true);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const { operation, flag, nr_sectors, sector_number } = BlkifRequestDiscard;
  expect([operation.get(view, 0), flag.get(view, 0), nr_sectors.getNumber(view, 0)]).toEqual([5, 1, 2 ** 35]);
  expect(sector_number.getNumber(view, 0)).toBe(head.sector);
});
