import { Seg } from '../names.ts';
import { Imm } from '../operand-spec.ts';
import type { Row } from '../row.ts';
import { ByteReader, MAX_LENGTH } from './byte-reader.ts';
import type { DecodeError, DecodeErrorKind, Insn, MemoryReference } from './insn.ts';
import type { Form } from './lookup.ts';
import { buildLookup, opcodeIndex, slotOf } from './lookup.ts';
import { readMemory16, readMemory32 } from './memory.ts';

/** How bytes are to be read. */
export interface DecodeOptions {
  /** The code segment has 16-bit default sizes. */
  readonly code16?: boolean;
}

/** Decodes the instruction at the start of `bytes`; 15 bytes always suffice. Never throws. */
export type Decoder = (bytes: Uint8Array, options?: DecodeOptions) => Insn | DecodeError;

interface Prefixes {
  readonly opcode: number;
  readonly operandSize: 16 | 32;
  readonly addressSize: 16 | 32;
  readonly segmentOverride: number;
  readonly rep: 0 | 0xf2 | 0xf3;
  readonly lock: boolean;
  readonly operandPrefix: boolean;
}

const SEGMENT_PREFIXES: Readonly<Record<number, number>> = {
  38: Seg.ES,
  46: Seg.CS,
  54: Seg.SS,
  62: Seg.DS,
  100: Seg.FS,
  101: Seg.GS,
};

function readOpcode(reader: ByteReader, first: number): number {
  if (first !== 0x0f) return first;
  const second = reader.u8();
  return second === 0x38 || second === 0x3a ? 0x0f0000 | (second << 8) | reader.u8() : 0x0f00 | second;
}

function readPrefixes(reader: ByteReader, code16: boolean): Prefixes {
  let operandPrefix = false;
  let addressPrefix = false;
  let segmentOverride = -1;
  let rep: Prefixes['rep'] = 0;
  let lock = false;
  for (;;) {
    const byte = reader.u8();
    if (byte === 0x66) operandPrefix = true;
    else if (byte === 0x67) addressPrefix = true;
    else if (byte === 0xf0) lock = true;
    else if (byte === 0xf2 || byte === 0xf3) rep = byte;
    else {
      const segment = SEGMENT_PREFIXES[byte];
      if (segment === undefined || reader.length > MAX_LENGTH) {
        const operandSize = operandPrefix === code16 ? 32 : 16;
        const addressSize = addressPrefix === code16 ? 32 : 16;
        const opcode = readOpcode(reader, byte);
        return { opcode, operandSize, addressSize, segmentOverride, rep, lock, operandPrefix };
      }
      segmentOverride = segment;
    }
  }
}

function readImmediate(reader: ByteReader, form: number, prefixes: Prefixes): number {
  switch (form) {
    case Imm.byte:
      return reader.u8();
    case Imm.signedByte:
      return reader.s8();
    case Imm.word:
      return reader.u16();
    case Imm.far:
      return prefixes.operandSize === 16 ? reader.u16() : reader.s32();
    default:
      return prefixes.operandSize === 16 ? reader.s16() : reader.s32();
  }
}

function readMoffs(reader: ByteReader, prefixes: Prefixes): MemoryReference {
  const disp = prefixes.addressSize === 16 ? reader.u16() : reader.s32() >>> 0;
  const segment = prefixes.segmentOverride < 0 ? Seg.DS : prefixes.segmentOverride;
  return { base: -1, index: -1, scale: 1, disp, segment };
}

const fail = (error: DecodeErrorKind): DecodeError => ({ error });

/** Makes the decoder of a table. */
export function createDecoder(rows: readonly Row[]): Decoder {
  const lookup = buildLookup(rows);

  return (bytes, options) => {
    const reader = new ByteReader(bytes);
    const prefixes = readPrefixes(reader, options?.code16 === true);
    const entry = lookup[opcodeIndex(prefixes.opcode)];
    const modrm = entry?.modrm ? reader.u8() : -1;
    const form = entry && select(entry.forms, modrm, prefixes);
    let memory: MemoryReference | null = null;
    if (modrm >= 0 && modrm < 0xc0 && !form?.registerOnly) {
      const read = prefixes.addressSize === 16 ? readMemory16 : readMemory32;
      memory = read(reader, modrm, prefixes.segmentOverride);
    }
    const immediates: number[] = [];
    for (const spec of form?.specs ?? []) {
      if (spec.imm === Imm.moffs) memory = readMoffs(reader, prefixes);
      else if (spec.imm !== Imm.none) immediates.push(readImmediate(reader, spec.imm, prefixes));
    }
    if (reader.problem) return fail(reader.problem);
    if (!form) return fail('undefined');
    if (prefixes.lock && !(form.row.lockable && memory)) return fail('lock');
    const { operandSize, addressSize, segmentOverride, rep, lock } = prefixes;
    return {
      row: form.row,
      rowIndex: form.rowIndex,
      specs: form.specs,
      length: reader.length,
      operandSize,
      addressSize,
      segmentOverride,
      rep,
      lock,
      modrm,
      memory,
      immediates,
    };
  };
}

function select(forms: readonly (Form | undefined)[], modrm: number, prefixes: Prefixes): Form | undefined {
  if (forms.length === 1) return forms[0];
  const mandatory = prefixes.rep || (prefixes.operandPrefix ? 0x66 : 0);
  return forms[slotOf(Math.max(modrm, 0), mandatory)];
}

/** True when decoding failed. */
export function isDecodeError(result: Insn | DecodeError): result is DecodeError {
  return 'error' in result;
}
