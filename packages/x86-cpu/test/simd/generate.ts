import { Imm, parseSpec } from '../../src/operand-spec.ts';
import type { Row } from '../../src/row.ts';
import { operandValue, Random } from '../record/random.ts';
import { At, DATA, DATA_END, type SimdInput, STATE_BYTES, WINDOW } from './state.ts';

/** A row in one form of its r/m operand. */
export interface SimdInstance {
  readonly key: string;
  readonly row: Row;
  readonly form: 'reg' | 'mem' | 'none';
}

/** Every form of the rows that use SIMD registers, but for approximations. */
export function simdInstances(rows: readonly Row[]): SimdInstance[] {
  return rows
    .filter((row) => row.unrecorded?.includes('test/simd'))
    .flatMap((row) => {
      const modrm = row.ext !== undefined || row.operands.some((o) => parseSpec(o).modrm);
      const forms = !modrm ? (['none'] as const) : row.mod ? [row.mod] : (['reg', 'mem'] as const);
      const prefix = row.prefix ? row.prefix.toString(16) : '';
      const ext = row.ext === undefined ? '' : `/${row.ext}`;
      const name = `${prefix} ${row.opcode.toString(16)}${ext} ${row.mnemonic} ${row.operands.join()}`;
      return forms.map((form) => ({ key: `${name} ${form}`, row, form }));
    });
}

const SINGLES = [
  ...[0, 0x80000000, 0x3f800000, 0xbf800000, 0x40000000, 0x3f000000, 0x7f800000, 0xff800000],
  ...[0x7fc00000, 0xffc12345, 0x7f800001, 0xff9abcde, 0x7fffffff, 0x00000001, 0x807fffff, 0x00800000],
  ...[0x00800001, 0x80800000, 0x7f7fffff, 0xff7fffff, 0x4effffff, 0x4f000000, 0xcf000000, 0xcf000001],
  ...[0x4b7fffff, 0x4b800000, 0x3effffff, 0x3f7fffff, 0x3f800001, 0x34000000, 0x5f000000, 0x20000000],
];
const DOUBLES: readonly (readonly [number, number])[] = [
  ...([
    [0, 0],
    [0, 0x80000000],
    [0, 0x3ff00000],
    [0, 0xbff00000],
    [0, 0x40000000],
    [0, 0x3fe00000],
  ] as const),
  ...([
    [0, 0x7ff00000],
    [0, 0xfff00000],
    [0, 0x7ff80000],
    [0x123, 0xfff80000],
    [1, 0x7ff00000],
  ] as const),
  ...([
    [0xffffffff, 0x7fffffff],
    [1, 0],
    [0xffffffff, 0x800fffff],
    [0, 0x00100000],
    [1, 0x00100000],
  ] as const),
  ...([
    [0xffffffff, 0x7fefffff],
    [0xffffffff, 0xffefffff],
    [0, 0x41e00000],
    [0, 0xc1e00000],
  ] as const),
  ...([
    [0xffc00000, 0x41dfffff],
    [0x00200000, 0xc1e00000],
    [0xffe00000, 0x41dfffff],
    [0, 0x47f00000],
  ] as const),
  ...([
    [0xe0000000, 0x47efffff],
    [0xf0000000, 0x47efffff],
    [0, 0x38100000],
    [0xffffffff, 0x380fffff],
  ] as const),
  ...([
    [0, 0x36a00000],
    [0, 0x369fffff],
    [0, 0x3ca00000],
    [0, 0x43400000],
    [0, 0x7e000000],
    [0, 0x01000000],
  ] as const),
];

/** Near 1, or with an exponent anywhere, or few bits. */
function single(r: Random): number {
  switch (r.below(8)) {
    case 0:
    case 1:
      return r.pick(SINGLES);
    case 2:
      return ((r.u32() & 0x807fffff) | ((0x70 + r.below(32)) << 23)) >>> 0;
    case 3:
      return ((r.u32() & 0x80780000) | ((0x78 + r.below(16)) << 23)) >>> 0;
    case 4:
      return (r.u32() & 0x807fffff) >>> 0;
    case 5:
      return new Uint32Array(Float32Array.of(r.below(2001) - 1000).buffer)[0]!;
    default:
      return r.u32();
  }
}
function double(r: Random): readonly [number, number] {
  const low = r.oneIn(2) ? r.u32() : r.oneIn(2) ? 0 : (r.u32() & 0xe0000000) >>> 0;
  switch (r.below(8)) {
    case 0:
    case 1:
      return r.pick(DOUBLES);
    case 2:
      return [low, ((r.u32() & 0x800fffff) | ((0x3f0 + r.below(32)) << 20)) >>> 0];
    case 3:
      return [0, ((r.u32() & 0x800f0000) | ((0x3f8 + r.below(16)) << 20)) >>> 0];
    case 4:
      return [low, (r.u32() & 0x800fffff) >>> 0];
    case 5: {
      const words = new Uint32Array(Float64Array.of(r.below(2001) - 1000).buffer);
      return [words[0]!, words[1]!];
    }
    case 6:
      return [low, ((r.u32() & 0x800fffff) | ((0x370 + r.below(0x120)) << 20)) >>> 0];
    default:
      return [low, r.u32()];
  }
}

type Flavour = 'single' | 'double' | 'integer';

function flavourOf({ mnemonic, operands }: Row): Flavour {
  if (/^CVT/.test(mnemonic)) {
    const from = /^CVTT?(..)/.exec(mnemonic)?.[1];
    return from === 'PS' || from === 'SS' ? 'single' : from === 'PD' || from === 'SD' ? 'double' : 'integer';
  }
  if (/(PS|SS)$/.test(mnemonic)) return 'single';
  if (/(PD|SD)$/.test(mnemonic) && !operands.includes('Ed')) return 'double';
  return 'integer';
}

function fill(words: Uint32Array, r: Random, flavour: Flavour): void {
  for (let i = 0; i < words.length; i += 2) {
    if (flavour === 'double') [words[i], words[i + 1]] = double(r);
    else for (const j of [i, i + 1]) words[j] = flavour === 'single' ? single(r) : operandValue(r);
  }
}

/** MXCSR: mostly everything masked; then any rounding, DAZ, FZ, sticky flags; sometimes unmasked exceptions. */
function mxcsr(r: Random): number {
  const sticky = r.oneIn(3) ? r.below(64) : r.oneIn(2) ? 0x20 : 0;
  if (r.oneIn(3)) return 0x1f80 | sticky;
  const modes = (r.oneIn(2) ? r.below(4) << 13 : 0) | (r.oneIn(3) ? 0x8000 : 0) | (r.oneIn(3) ? 0x40 : 0);
  const masks = r.oneIn(4) ? r.below(64) << 7 : 0x1f80;
  return masks | modes | (r.oneIn(2) ? sticky : 0);
}

function operandAddress(r: Random): number {
  switch (r.below(32)) {
    case 0:
      return DATA + 0x1000 - r.below(16);
    case 1:
      return DATA_END - r.below(20);
    case 2:
      return DATA - 8 + r.below(10);
    case 3:
    case 4:
      return DATA + 0x100 + r.below(0x1d00);
    default:
      return (DATA + 0x100 + r.below(0x1d00)) & ~15;
  }
}

const little32 = (v: number): number[] => [v & 255, (v >>> 8) & 255, (v >>> 16) & 255, v >>> 24];
const DISP32 = 5;

/** An encoding with what belongs to it. */
export interface Encoding {
  readonly code: readonly number[];
  readonly address: number;
}

export function encoding(instance: SimdInstance, r: Random): Encoding {
  const { row, form } = instance;
  const opcode =
    row.opcode > 0xffff
      ? little32(row.opcode).slice(0, 3).reverse()
      : row.opcode > 0xff
        ? [0x0f, row.opcode & 0xff]
        : [row.opcode];
  const address = operandAddress(r);
  const word = row.operands.some((o) => parseSpec(o).size === 'v') && !row.simd && r.oneIn(2);
  const code = [...(word ? [0x66] : []), ...(row.prefix ? [row.prefix] : []), ...opcode];
  const reg = row.ext ?? r.below(8);
  if (form === 'reg') code.push(0xc0 | (reg << 3) | r.below(8));
  if (form === 'mem') code.push((reg << 3) | DISP32, ...little32(address));
  if (row.operands.some((o) => parseSpec(o).imm === Imm.byte)) {
    code.push(r.oneIn(2) ? r.below(256) : r.below(18));
  }
  return { code, address };
}

const EAX = 0;
const EDX = 2;
const ESP = 4;
/** Upper bits of an address in the recorder's signal stack. */
const RECORDER_STACK = 0x7000;
const EDI = 7;
const STARTING_FLAGS = 0x202;
const ARITHMETIC_FLAGS = 0x8d5;

/** A vector for an encoding. */
export function vectorFor({ row }: SimdInstance, { code, address }: Encoding, r: Random): SimdInput {
  const state = new Uint8Array(STATE_BYTES);
  const words = new Uint32Array(state.buffer);
  const view = (offset: number, bytes: number): Uint32Array =>
    words.subarray(offset >> 2, (offset + bytes) >> 2);
  const flavour = flavourOf(row);
  for (let i = 0; i < 8; i++) words[i] = operandValue(r);
  if (words[ESP]! >>> 16 === RECORDER_STACK) words[ESP] = 0;
  if (row.mnemonic.startsWith('MASKMOV')) words[EDI] = address;
  if (/^PCMPESTR/.test(row.mnemonic)) for (const i of [EAX, EDX]) words[i] = r.below(44) - 22;
  words[At.eflags >> 2] = STARTING_FLAGS | (r.u32() & ARITHMETIC_FLAGS);
  words[At.mxcsr >> 2] = mxcsr(r);
  fill(view(At.mm, 64), r, flavour === 'integer' ? 'integer' : r.pick(['integer', flavour]));
  fill(view(At.xmm, 128), r, flavour);
  fill(view(At.memory, WINDOW), r, row.mnemonic === 'LDMXCSR' ? 'integer' : flavour);
  relate(state, r, row);
  if (/^PCMP.STR/.test(row.mnemonic)) shorten(state, r);
  return { state, address, code };
}

/** Bit 17 of MXCSR, in its byte: the recording host has it, the emulated CPU does not. */
const AMD_MISALIGNED_MODE = 2;

/** Shift counts are mostly small, byte indices vary, and operands are often related. */
function relate(state: Uint8Array, r: Random, row: Row): void {
  const small = /^PS[LR][LA][WDQ]$/.test(row.mnemonic);
  const count = r.below(72);
  for (let i = 0; i < 8; i++) {
    for (const at of [At.xmm + 16 * i, At.mm + 8 * i]) {
      if (small && r.oneIn(2)) {
        state.fill(0, at, at + 8);
        state[at] = count;
      } else if (r.oneIn(6))
        state.copyWithin(
          at,
          r.oneIn(2) ? At.xmm : At.memory + 16,
          (r.oneIn(2) ? At.xmm : At.memory + 16) + 8,
        );
    }
  }
  if (small && r.oneIn(2)) {
    state.fill(0, At.memory + 16, At.memory + 24);
    state[At.memory + 16] = count;
  }
  if (row.mnemonic !== 'LDMXCSR') return;
  state[At.memory + 18]! &= ~AMD_MISALIGNED_MODE;
  if (!r.oneIn(4)) state.fill(0, At.memory + 18, At.memory + 20);
}

/** Strings of few letters, some of them with an end. */
function shorten(state: Uint8Array, r: Random): void {
  const letters = 1 + r.below(4);
  for (let i = At.xmm; i < state.length; i++) {
    if (!r.oneIn(3)) state[i] = r.oneIn(24) ? 0 : i & 1 && r.oneIn(2) ? 0 : 0x7e + r.below(letters);
  }
}

/** Encodings, each with several vectors; the same ones for the same seed. */
export function* generate(
  instance: SimdInstance,
  encodings: number,
  vectors: number,
  seed = '',
): Generator<SimdInput> {
  const r = new Random(instance.key + seed);
  for (let e = 0; e < encodings; e++) {
    const made = encoding(instance, r);
    for (let v = 0; v < vectors; v++) yield vectorFor(instance, made, r);
  }
}
