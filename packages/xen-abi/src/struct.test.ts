import { describe, expect, it } from 'vitest';
import {
  array,
  arrayOf,
  arrayU64,
  bytes,
  nested,
  s8,
  s16,
  s32,
  struct,
  u8,
  u16,
  u32,
  u64,
  union,
} from './struct.ts';

const Inner = struct('inner', { a: u16, b: u8 });
const Outer = struct('outer', {
  first: u8,
  wide: u64,
  size: u16,
  inner: nested(Inner),
  text: bytes(5),
  list: array(s16, 3),
  times: arrayU64(2),
  rows: arrayOf(Inner, 2),
  both: nested(union('', { x: u8, y: u64 })),
});

function memory(): DataView {
  return new DataView(new ArrayBuffer(256), 16);
}

describe('layout', () => {
  it('aligns u64 to 4 and pads the struct to its widest member', () => {
    expect(Outer.wide.offset).toBe(4);
    expect(struct('', { a: u64, b: u8 }).size).toBe(12);
    expect(Inner.size).toBe(4);
  });

  it('puts every union member at offset 0 and takes the largest', () => {
    const u = union('', { x: u8, y: u64, z: u16 });
    expect([u.x.offset, u.y.offset, u.z.offset, u.size, u.align]).toEqual([0, 0, 0, 8, 4]);
  });

  it('reaches a field called size through fields', () => {
    expect(Outer.fields.size.offset).toBe(12);
    expect(Outer.size % 4).toBe(0);
  });
});

describe('accessors', () => {
  it('keep the sign of signed fields and wrap what is too wide', () => {
    const S = struct('', { a: s8, b: s16, c: s32, d: u32 });
    const view = memory();
    S.a.set(view, 0, 255);
    S.b.set(view, 0, -2);
    S.c.set(view, 0, 0xffff_fffd);
    S.d.set(view, 0, -4);
    expect([S.a.get(view, 0), S.b.get(view, 0), S.c.get(view, 0), S.d.get(view, 0)]).toEqual([
      -1, -2, -3, 0xffff_fffc,
    ]);
  });

  it('read a u64 as bigint, halves and number', () => {
    const view = memory();
    Outer.wide.set(view, 8, 0x0012_3456_89ab_cdefn);
    expect(Outer.wide.getLo(view, 8)).toBe(0x89ab_cdef);
    expect(Outer.wide.getHi(view, 8)).toBe(0x0012_3456);
    expect(Outer.wide.getNumber(view, 8)).toBe(0x12_3456_89ab_cdef);
    Outer.wide.setNumber(view, 8, 2 ** 53 - 1);
    expect(Outer.wide.get(view, 8)).toBe(2n ** 53n - 1n);
    Outer.wide.setNumber(view, 8, -1);
    expect(Outer.wide.get(view, 8)).toBe(2n ** 64n - 1n);
    Outer.wide.setLo(view, 8, 5);
    Outer.wide.setHi(view, 8, 6);
    expect(Outer.wide.get(view, 8)).toBe(0x6_0000_0005n);
  });

  it('reach nested members by offset in the outermost struct', () => {
    const view = memory();
    Outer.inner.b.set(view, 0, 7);
    expect(Inner.b.get(view, Outer.inner.at(0))).toBe(7);
    expect(Outer.inner.b.offset).toBe(Outer.inner.offset + Inner.b.offset);
  });

  it('index arrays of integers, of u64 and of structs', () => {
    const view = memory();
    Outer.list.set(view, 4, 2, -9);
    Outer.times.setNumber(view, 4, 1, 2 ** 40);
    Inner.a.set(view, Outer.rows.at(4, 1), 77);
    expect(Outer.list.get(view, 4, 2)).toBe(-9);
    expect(Outer.times.get(view, 4, 1)).toBe(2n ** 40n);
    expect(Outer.times.element.getNumber(view, 4 + 8)).toBe(2 ** 40);
    expect(Outer.rows.element.a.get(view, Outer.rows.at(4, 1))).toBe(77);
  });

  it('clear what a shorter byte value leaves, and end text with a NUL', () => {
    const view = memory();
    Outer.text.set(view, 0, new Uint8Array([1, 2, 3, 4, 5]));
    Outer.text.set(view, 0, new Uint8Array([9]));
    expect([...Outer.text.get(view, 0)]).toEqual([9, 0, 0, 0, 0]);
    Outer.text.setText(view, 0, 'abcdef');
    expect(Outer.text.getText(view, 0)).toBe('abcd');
  });

  it('refuse a byte value that is too long', () => {
    expect(() => Outer.text.set(memory(), 0, new Uint8Array(6))).toThrow(RangeError);
  });
});
