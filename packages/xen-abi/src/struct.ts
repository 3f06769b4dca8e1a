/**
 * Layouts of C structs under the i386 System V rules, declared once and read through accessors.
 *
 * A `u64` aligns to 4 bytes, every other integer to its size, a struct to its widest member. An accessor holds a
 * constant offset and the field's signedness; all fields are little endian.
 * Source: System V ABI, Intel386 Processor Supplement, "Data Representation".
 */

/** One kind of field: how many bytes it takes, how it aligns, and how an accessor is made for a place in a struct. */
export interface Kind<F> {
  readonly size: number;
  readonly align: number;
  /** @param offset byte offset of the field in the outermost struct. */
  readonly field: (offset: number) => F;
}

/** Where a field lies: bytes from the start of the outermost struct, and its own bytes. */
export interface FieldPlace {
  readonly offset: number;
  readonly size: number;
}

/** Accessor of an integer field of at most 32 bits. `base` is the byte offset of the struct in `view`. */
export interface NumberField extends FieldPlace {
  get(view: DataView, base: number): number;
  /** `value` is reduced modulo the field's width. */
  set(view: DataView, base: number, value: number): void;
}

/** Accessor of a 64-bit unsigned field. */
export interface U64Field extends FieldPlace {
  get(view: DataView, base: number): bigint;
  /** `value` is reduced modulo 2^64. */
  set(view: DataView, base: number, value: bigint): void;
  getLo(view: DataView, base: number): number;
  getHi(view: DataView, base: number): number;
  setLo(view: DataView, base: number, lo: number): void;
  setHi(view: DataView, base: number, hi: number): void;
  /** The value as a double: exact below 2^53, rounded above. */
  getNumber(view: DataView, base: number): number;
  /** @param value an integer, |value| < 2^53; a negative one is stored in two's complement. */
  setNumber(view: DataView, base: number, value: number): void;
}

/** Accessor of a run of bytes. */
export interface BytesField extends FieldPlace {
  /** The bytes themselves, not a copy. */
  get(view: DataView, base: number): Uint8Array;
  /** Copies `value` in and zeroes what it leaves of the field. A longer value throws a RangeError. */
  set(view: DataView, base: number, value: Uint8Array): void;
  /** The text (one character per byte) up to the first NUL or the end of the field. */
  getText(view: DataView, base: number): string;
  /** Stores `text` (one byte per character) and zeroes the rest; cut so that at least one NUL remains. */
  setText(view: DataView, base: number, text: string): void;
}

/** Common part of array accessors. Indices are not checked: `i` must be in [0, length). */
export interface ArrayPlace<E> extends FieldPlace {
  readonly length: number;
  /** Bytes from one element to the next. */
  readonly stride: number;
  /** Accessor of element 0; give it `base + i * stride` for element i. */
  readonly element: E;
  /** Byte offset of element `i` in the view. */
  at(base: number, i: number): number;
}

/** Accessor of an array of integers. */
export interface NumberArrayField extends ArrayPlace<NumberField> {
  get(view: DataView, base: number, i: number): number;
  set(view: DataView, base: number, i: number, value: number): void;
}

/** Accessor of an array of 64-bit integers. */
export interface U64ArrayField extends ArrayPlace<U64Field> {
  get(view: DataView, base: number, i: number): bigint;
  set(view: DataView, base: number, i: number, value: bigint): void;
  getNumber(view: DataView, base: number, i: number): number;
  setNumber(view: DataView, base: number, i: number, value: number): void;
}

/** Accessor of an array of structs: use `at(base, i)` as the base of the struct's own accessors. */
export interface StructArrayField<F> extends ArrayPlace<Struct<F>> {}

/** A field of struct type: its members are accessors with offsets in the outermost struct. */
export interface NestedInfo<F> extends FieldPlace {
  readonly struct: Struct<F>;
  /** Every member, also one whose name this object uses for itself (`size`, `offset`). */
  readonly fields: F;
  /** Base of the nested struct, for the nested struct's own accessors. */
  at(base: number): number;
}
/** A struct within a struct: the accessors of its fields, whose offsets count from the outermost one, and what it is itself. */
export type NestedField<F> = NestedInfo<F> & Omit<F, keyof NestedInfo<F>>;

/** What a declared struct says about itself. */
export interface StructInfo<F> {
  /** C tag, as in the header. */
  readonly name: string;
  /** `sizeof` in bytes, trailing padding included. */
  readonly size: number;
  readonly align: number;
  /** Every field, also one whose name this object uses for itself (`size`). */
  readonly fields: F;
  /** The fields with all offsets moved by `offset`. */
  bind(offset: number): F;
}
/** A declared struct: the accessors of its fields by name, its size, its name. */
export type Struct<F> = StructInfo<F> & Omit<F, keyof StructInfo<F>>;

type Definition = Readonly<Record<string, Kind<unknown>>>;
type FieldsOf<D extends Definition> = { readonly [K in keyof D]: D[K] extends Kind<infer F> ? F : never };

const TWO_32 = 0x1_0000_0000;

/** uint8_t */
export const u8: Kind<NumberField> = {
  size: 1,
  align: 1,
  field: (offset) => ({
    offset,
    size: 1,
    get: (view, base) => view.getUint8(base + offset),
    set: (view, base, value) => view.setUint8(base + offset, value),
  }),
};

/** int8_t */
export const s8: Kind<NumberField> = {
  size: 1,
  align: 1,
  field: (offset) => ({
    offset,
    size: 1,
    get: (view, base) => view.getInt8(base + offset),
    set: (view, base, value) => view.setInt8(base + offset, value),
  }),
};

/** uint16_t */
export const u16: Kind<NumberField> = {
  size: 2,
  align: 2,
  field: (offset) => ({
    offset,
    size: 2,
    get: (view, base) => view.getUint16(base + offset, true),
    set: (view, base, value) => view.setUint16(base + offset, value, true),
  }),
};

/** int16_t */
export const s16: Kind<NumberField> = {
  size: 2,
  align: 2,
  field: (offset) => ({
    offset,
    size: 2,
    get: (view, base) => view.getInt16(base + offset, true),
    set: (view, base, value) => view.setInt16(base + offset, value, true),
  }),
};

/** uint32_t */
export const u32: Kind<NumberField> = {
  size: 4,
  align: 4,
  field: (offset) => ({
    offset,
    size: 4,
    get: (view, base) => view.getUint32(base + offset, true),
    set: (view, base, value) => view.setUint32(base + offset, value, true),
  }),
};

/** int32_t */
export const s32: Kind<NumberField> = {
  size: 4,
  align: 4,
  field: (offset) => ({
    offset,
    size: 4,
    get: (view, base) => view.getInt32(base + offset, true),
    set: (view, base, value) => view.setInt32(base + offset, value, true),
  }),
};

/** A linear address (a C pointer or XEN_GUEST_HANDLE). */
export const ptr: Kind<NumberField> = u32;

/** C `unsigned long`, `xen_ulong_t` and `xen_pfn_t`, all 32 bits wide on i386. */
export const ulong: Kind<NumberField> = u32;

/** uint64_t, aligned to 4 bytes as on i386 */
export const u64: Kind<U64Field> = {
  size: 8,
  align: 4,
  field: (offset) => ({
    offset,
    size: 8,
    get: (view, base) => view.getBigUint64(base + offset, true),
    set: (view, base, value) => view.setBigUint64(base + offset, value, true),
    getLo: (view, base) => view.getUint32(base + offset, true),
    getHi: (view, base) => view.getUint32(base + offset + 4, true),
    setLo: (view, base, lo) => view.setUint32(base + offset, lo, true),
    setHi: (view, base, hi) => view.setUint32(base + offset + 4, hi, true),
    getNumber: (view, base) =>
      view.getUint32(base + offset + 4, true) * TWO_32 + view.getUint32(base + offset, true),
    setNumber: (view, base, value) => {
      view.setUint32(base + offset, value, true);
      view.setUint32(base + offset + 4, Math.floor(value / TWO_32), true);
    },
  }),
};

/** `char[length]` or `uint8_t[length]`. */
export function bytes(length: number): Kind<BytesField> {
  return { size: length, align: 1, field: (offset) => bytesField(offset, length) };
}

function bytesField(offset: number, length: number): BytesField {
  const get = (view: DataView, base: number): Uint8Array =>
    new Uint8Array(view.buffer, view.byteOffset + base + offset, length);
  return {
    offset,
    size: length,
    get,
    set: (view, base, value) => {
      const target = get(view, base);
      target.set(value);
      target.fill(0, value.length);
    },
    getText: (view, base) => {
      let text = '';
      for (const byte of get(view, base)) {
        if (byte === 0) break;
        text += String.fromCharCode(byte);
      }
      return text;
    },
    setText: (view, base, text) => {
      const target = get(view, base).fill(0);
      const n = Math.min(text.length, length - 1);
      for (let i = 0; i < n; i++) target[i] = text.charCodeAt(i);
    },
  };
}

/** `kind[length]` of integers. */
export function array(kind: Kind<NumberField>, length: number): Kind<NumberArrayField> {
  return {
    size: kind.size * length,
    align: kind.align,
    field: (offset) => {
      const stride = kind.size;
      const element = kind.field(offset);
      return {
        ...arrayPlace(offset, length, stride, element),
        get: (view, base, i) => element.get(view, base + i * stride),
        set: (view, base, i, value) => element.set(view, base + i * stride, value),
      };
    },
  };
}

/** `uint64_t[length]`. */
export function arrayU64(length: number): Kind<U64ArrayField> {
  return {
    size: 8 * length,
    align: u64.align,
    field: (offset) => {
      const element = u64.field(offset);
      return {
        ...arrayPlace(offset, length, 8, element),
        get: (view, base, i) => element.get(view, base + i * 8),
        set: (view, base, i, value) => element.set(view, base + i * 8, value),
        getNumber: (view, base, i) => element.getNumber(view, base + i * 8),
        setNumber: (view, base, i, value) => element.setNumber(view, base + i * 8, value),
      };
    },
  };
}

/** `struct x[length]`. */
export function arrayOf<F>(struct: Struct<F>, length: number): Kind<StructArrayField<F>> {
  return {
    size: struct.size * length,
    align: struct.align,
    field: (offset) => arrayPlace(offset, length, struct.size, struct),
  };
}

function arrayPlace<E>(offset: number, length: number, stride: number, element: E): ArrayPlace<E> {
  return {
    offset,
    size: stride * length,
    length,
    stride,
    element,
    at: (base, i) => base + offset + i * stride,
  };
}

/** A member that is itself a struct or union. */
export function nested<F>(struct: Struct<F>): Kind<NestedField<F>> {
  return {
    size: struct.size,
    align: struct.align,
    field: (offset) => {
      const fields = struct.bind(offset);
      const info: NestedInfo<F> = {
        offset,
        size: struct.size,
        struct,
        fields,
        at: (base) => base + offset,
      };
      return withFields(info, fields);
    },
  };
}

/**
 * Declares a C struct: fields in order, each at the next multiple of its alignment.
 * @param name C tag, as in the header
 * @returns the struct with one accessor per field; a field named as one of StructInfo's own is under `fields` only
 */
export function struct<D extends Definition>(name: string, definition: D): Struct<FieldsOf<D>> {
  const offsets: Record<string, number> = {};
  let end = 0;
  for (const field in definition) {
    offsets[field] = alignUp(end, definition[field].align);
    end = offsets[field] + definition[field].size;
  }
  return declare(name, definition, offsets, end);
}

/** Declares a C union: every member at offset 0. */
export function union<D extends Definition>(name: string, definition: D): Struct<FieldsOf<D>> {
  const offsets: Record<string, number> = {};
  let end = 0;
  for (const field in definition) {
    offsets[field] = 0;
    end = Math.max(end, definition[field].size);
  }
  return declare(name, definition, offsets, end);
}

function declare<D extends Definition>(
  name: string,
  definition: D,
  offsets: Readonly<Record<string, number>>,
  end: number,
): Struct<FieldsOf<D>> {
  const align = Object.values(definition).reduce((widest, kind) => Math.max(widest, kind.align), 1);
  const bind = (offset: number): FieldsOf<D> =>
    Object.fromEntries(
      Object.entries(definition).map(([field, kind]) => [field, kind.field(offset + offsets[field])]),
    ) as FieldsOf<D>;
  const info: StructInfo<FieldsOf<D>> = { name, size: alignUp(end, align), align, fields: bind(0), bind };
  return withFields(info, info.fields);
}

function withFields<I extends object, F>(info: I, fields: F): I & Omit<F, keyof I> {
  return { ...fields, ...info };
}

function alignUp(n: number, align: number): number {
  return Math.ceil(n / align) * align;
}
