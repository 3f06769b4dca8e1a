import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import * as abi from './index.ts';
import type { FieldPlace, NestedInfo, StructInfo } from './struct.ts';

/** What a C compiler says; recorded by test/record-offsets.mjs. */
interface Recording {
  structs: Record<string, { size?: number; fields: Record<string, [offset: number, size: number]> }>;
  rings: Record<string, Record<string, number>>;
  constants: Record<string, number>;
  notInHeaders: string[];
}

const recording = JSON.parse(
  readFileSync(new URL('../test/abi-offsets.json', import.meta.url), 'utf8'),
) as Recording;

type Fields = Readonly<Record<string, FieldPlace>>;

function isStruct(value: unknown): value is StructInfo<Fields> {
  return typeof value === 'object' && value !== null && 'bind' in value;
}

function isNested(field: FieldPlace): field is NestedInfo<Fields> {
  return 'struct' in field;
}

function places(fields: Fields, prefix = ''): [string, [number, number]][] {
  return Object.entries(fields).flatMap(([name, field]) => [
    [prefix + name, [field.offset, field.size]] as [string, [number, number]],
    ...(isNested(field) ? places(field.fields, `${prefix}${name}.`) : []),
  ]);
}

const structs = Object.values<unknown>(abi).filter(isStruct);
const constants = Object.entries<unknown>(abi).filter(
  (entry): entry is [string, number] => typeof entry[1] === 'number',
);

/** Not in Xen's public headers. */
const E820 = 'e820entry';
/** Recorded without its C size: there the first slots are part of the type. */
const SRING = 'sring';

describe('layouts are those of gcc -m32', () => {
  it.each(structs.filter((s) => s.name !== E820).map((s) => [s.name, s] as const))('%s', (name, struct) => {
    const recorded = recording.structs[name];
    if (name !== SRING) expect(struct.size).toBe(recorded.size);
    const ours = Object.fromEntries(places(struct.fields));
    if (name === SRING) delete ours.pad;
    expect(ours).toEqual(recorded.fields);
  });

  it('every recorded struct is declared', () => {
    expect(Object.keys(recording.structs).filter((name) => !structs.some((s) => s.name === name))).toEqual(
      [],
    );
  });

  it('an e820 entry is 20 bytes without padding', () => {
    expect(abi.E820Entry.size).toBe(20);
    expect(abi.E820Entry.type.offset).toBe(16);
  });
});

describe('rings are those of DEFINE_RING_TYPES', () => {
  it.each([
    ['blkif', abi.BlkifRequest.size, abi.BlkifResponse.size],
    ['netif_tx', abi.NetifTxRequest.size, abi.NetifTxResponse.size],
    ['netif_rx', abi.NetifRxRequest.size, abi.NetifRxResponse.size],
    ['xen_netif_ctrl', abi.XenNetifCtrlRequest.size, abi.XenNetifCtrlResponse.size],
  ])('%s', (name, request, response) => {
    const recorded = recording.rings[name];
    const stride = Math.max(request, response);
    expect(abi.slotOffset(0, 32, stride)).toBe(recorded.first);
    expect(stride).toBe(recorded.stride);
    for (const pages of [1, 2, 4, 8, 16]) {
      expect(abi.nrSlots(4096 * pages, stride)).toBe(recorded[`slots${pages}`]);
    }
  });
});

describe('constants are those of the headers', () => {
  it('every exported number has the recorded value or is recorded as not in the headers', () => {
    const ours = Object.fromEntries(constants.filter(([name]) => !recording.notInHeaders.includes(name)));
    const recorded = recording.constants;
    for (const name of Object.keys(ours)) expect([name, ours[name]]).toEqual([name, recorded[name]]);
    expect(Object.keys(recorded).filter((name) => !(name in ours))).toEqual([]);
  });

  it('derived sizes agree with the layouts', () => {
    expect(abi.XENCONS_IN_SIZE).toBe(abi.XenconsInterface.in.size);
    expect(abi.XENCONS_OUT_SIZE).toBe(abi.XenconsInterface.out.size);
    expect(abi.SRING_HEADER_BYTES).toBe(abi.Sring.size);
  });
});
