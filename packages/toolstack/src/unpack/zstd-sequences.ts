import type { ByteSink } from './byte-sink.ts';
import { ReverseBits } from './zstd-bits.ts';
import { FseState, type FseTable, fseOfOneSymbol, fseTable, readFseTable } from './zstd-fse.ts';

const PREDEFINED = 0;
const RLE = 1;
const REPEAT = 3;

/** One kind of code: what it stands for, and its default table. Source: RFC 8878, 3.1.1.3.2.1 and 3.1.1.3.2.2 */
interface CodeKind {
  readonly maxLog: number;
  readonly maxSymbol: number;
  readonly defaultLog: number;
  readonly defaultCounts: readonly number[];
}

const repeat = (value: number, count: number): number[] => new Array<number>(count).fill(value);

const LITERAL_LENGTH: CodeKind = {
  maxLog: 9,
  maxSymbol: 35,
  defaultLog: 6,
  defaultCounts: [4, 3, ...repeat(2, 11), 1, 1, 1, ...repeat(2, 9), 3, 2, 1, 1, 1, 1, 1, ...repeat(-1, 4)],
};
const OFFSET: CodeKind = {
  maxLog: 8,
  maxSymbol: 31,
  defaultLog: 5,
  defaultCounts: [...repeat(1, 6), 2, 2, 2, ...repeat(1, 15), ...repeat(-1, 5)],
};
const MATCH_LENGTH: CodeKind = {
  maxLog: 9,
  maxSymbol: 52,
  defaultLog: 6,
  defaultCounts: [1, 4, 3, ...repeat(2, 6), ...repeat(1, 37), ...repeat(-1, 7)],
};

const LITERAL_EXTRA = [...repeat(0, 16), 1, 1, 1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];
const MATCH_EXTRA = [...repeat(0, 32), 1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];
const LITERAL_BASES = basesOf(0, LITERAL_EXTRA);
const MATCH_BASES = basesOf(3, MATCH_EXTRA);

/** What goes from block to block of a frame: the last tables, and the last three offsets. */
export class SequenceState {
  literalLength: FseTable | null = null;
  offset: FseTable | null = null;
  matchLength: FseTable | null = null;
  readonly repeats: [number, number, number] = [1, 4, 8];
}

/**
 * Carries out the sequences of a block: literals, then a copy, again and again.
 * @returns whether the block is sound
 * Source: RFC 8878, 3.1.1.3.2, 3.1.1.4 and 3.1.1.5
 */
export function runSequences(
  section: Uint8Array,
  literals: Uint8Array,
  state: SequenceState,
  out: ByteSink,
): boolean {
  const [b0 = 0, b1 = 0, b2 = 0] = section;
  if (b0 === 0) {
    out.append(literals);
    return section.length === 1;
  }
  const countBytes = b0 < 128 ? 1 : b0 < 255 ? 2 : 3;
  const count = b0 < 128 ? b0 : b0 < 255 ? ((b0 - 128) << 8) + b1 : b1 + (b2 << 8) + 0x7f00;
  const modes = section[countBytes] ?? 0;
  let rest = section.subarray(countBytes + 1);
  const table = (kind: CodeKind, shift: number, last: FseTable | null): FseTable | null => {
    const read = readTable(rest, kind, (modes >> shift) & 3, last);
    rest = rest.subarray(read?.length ?? 0);
    return read?.table ?? null;
  };
  const literalLength = table(LITERAL_LENGTH, 6, state.literalLength);
  const offset = table(OFFSET, 4, state.offset);
  const matchLength = table(MATCH_LENGTH, 2, state.matchLength);
  if ((modes & 3) !== 0 || !literalLength || !offset || !matchLength) return false;
  Object.assign(state, { literalLength, offset, matchLength });
  const bits = new ReverseBits(rest);
  const used = execute(bits, count, { literalLength, offset, matchLength }, literals, state.repeats, out);
  if (used < 0 || bits.position !== 0) return false;
  out.append(literals.subarray(used));
  return !out.failed;
}

/** @returns how many literals were used; -1 when the block is damaged */
function execute(
  bits: ReverseBits,
  count: number,
  tables: { readonly literalLength: FseTable; readonly offset: FseTable; readonly matchLength: FseTable },
  literals: Uint8Array,
  repeats: [number, number, number],
  out: ByteSink,
): number {
  const literalLengths = new FseState(tables.literalLength, bits);
  const offsets = new FseState(tables.offset, bits);
  const matchLengths = new FseState(tables.matchLength, bits);
  let used = 0;
  for (let i = 0; i < count; i++) {
    const offsetValue = 2 ** offsets.symbol + bits.read(offsets.symbol);
    const match = MATCH_BASES[matchLengths.symbol] + bits.read(MATCH_EXTRA[matchLengths.symbol]);
    const run = LITERAL_BASES[literalLengths.symbol] + bits.read(LITERAL_EXTRA[literalLengths.symbol]);
    if (i < count - 1) {
      literalLengths.advance(bits);
      matchLengths.advance(bits);
      offsets.advance(bits);
    }
    if (bits.position < 0 || used + run > literals.length) return -1;
    out.append(literals.subarray(used, used + run));
    used += run;
    out.copy(resolveOffset(offsetValue, run, repeats), match);
    if (out.failed) return -1;
  }
  return used;
}

/** Values up to 3 mean one of the last offsets; without literals before it, the last itself would be pointless. */
function resolveOffset(value: number, run: number, repeats: [number, number, number]): number {
  if (value > 3) {
    repeats[2] = repeats[1];
    repeats[1] = repeats[0];
    repeats[0] = value - 3;
    return repeats[0];
  }
  const which = value - 1 + (run === 0 ? 1 : 0);
  const offset = which === 3 ? repeats[0] - 1 : repeats[which];
  if (which > 0) {
    if (which > 1) repeats[2] = repeats[1];
    repeats[1] = repeats[0];
    repeats[0] = offset;
  }
  return offset;
}

function readTable(
  bytes: Uint8Array,
  kind: CodeKind,
  mode: number,
  last: FseTable | null,
): { table: FseTable; length: number } | null {
  switch (mode) {
    case PREDEFINED: {
      const table = fseTable(kind.defaultCounts, kind.defaultLog);
      return table && { table, length: 0 };
    }
    case RLE:
      return bytes[0] <= kind.maxSymbol ? { table: fseOfOneSymbol(bytes[0]), length: 1 } : null;
    case REPEAT:
      return last && { table: last, length: 0 };
    default:
      return readFseTable(bytes, kind.maxLog, kind.maxSymbol);
  }
}

function basesOf(first: number, extraBits: readonly number[]): number[] {
  let base = first;
  return extraBits.map((bits) => {
    const its = base;
    base += 2 ** bits;
    return its;
  });
}
