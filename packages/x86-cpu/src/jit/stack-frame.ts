import type { Insn } from '../decode/index.ts';
import { Reg, Seg } from '../names.ts';
import { sizeOf } from '../operand-spec.ts';
import type { Block, Place, RegionInsn, RegionShape } from './block.ts';

/** ESP and EBP relative to ESP at the region's entry, in bytes; null where that is not known. */
export interface FrameState {
  readonly esp: number | null;
  readonly ebp: number | null;
}

/** Bytes relative to ESP at the region's entry that the region uses at known places: from `low` to before `high`. */
export interface FrameExtent {
  readonly low: number;
  readonly high: number;
}

export const NOWHERE: FrameState = { esp: null, ebp: null };
const ENTRY: FrameState = { esp: 0, ebp: null };
/** What lies further away is not taken into the window. */
const FARTHEST = 1024;
/** No operand that compiled code accesses is longer. */
const LONGEST_OPERAND = 16;

const plus = (n: number | null, by: number): number | null => (n === null ? null : (n + by) | 0);

/** Register that a 16- or 32-bit operand names, and whether the whole of it is meant. */
function written(insn: Insn): { n: number; whole: boolean }[] {
  const found: { n: number; whole: boolean }[] = [];
  for (const spec of insn.specs) {
    if (spec.mode === 'r') continue;
    const size = sizeOf(spec, { size: insn.operandSize });
    if (size === 8) continue;
    const n = registerOf(insn, spec.kind, spec.fixed);
    if (n >= 0) found.push({ n, whole: size === 32 });
  }
  return found;
}

function registerOf(insn: Insn, kind: string, fixed: number): number {
  switch (kind) {
    case 'rm':
      return insn.memory ? -1 : insn.modrm & 7;
    case 'creg':
      return insn.modrm & 7;
    case 'reg':
      return (insn.modrm >> 3) & 7;
    case 'opreg':
      return insn.row.opcode & 7;
    case 'fixed':
      return fixed;
    default:
      return -1;
  }
}

/** What a register's instruction makes of it, where it is a plain move or sum of the two; else null. */
function sumOf(insn: Insn, n: number, before: FrameState): number | null {
  const { mnemonic } = insn.row;
  const own = n === Reg.ESP ? before.esp : before.ebp;
  const of = (register: number): number | null =>
    register === Reg.ESP ? before.esp : register === Reg.EBP ? before.ebp : null;
  const immediate = insn.immediates[0] ?? null;
  switch (mnemonic) {
    case 'ADD':
    case 'SUB':
      if (immediate === null) return null;
      return plus(own, mnemonic === 'ADD' ? immediate : -immediate);
    case 'INC':
      return plus(own, 1);
    case 'DEC':
      return plus(own, -1);
    case 'LEA': {
      const m = insn.memory;
      return m && m.index < 0 && insn.addressSize === 32 ? plus(of(m.base), m.disp) : null;
    }
    case 'MOV': {
      if (insn.memory || immediate !== null) return null;
      const source = insn.specs[1];
      return source ? of(registerOf(insn, source.kind, source.fixed)) : null;
    }
    default:
      return null;
  }
}

/** The state after an instruction; after a call, that of where it returns to, if the callee leaves the stack as it was. */
export function frameAfter({ insn, flow }: RegionInsn, before: FrameState): FrameState {
  const { esp, ebp } = before;
  const bytes = insn.operandSize / 8;
  switch (insn.row.mnemonic) {
    case 'PUSH':
    case 'PUSHF':
      return { esp: plus(esp, -bytes), ebp };
    case 'PUSHA':
      return { esp: plus(esp, -8 * bytes), ebp };
    case 'POPF':
      return { esp: plus(esp, bytes), ebp };
    case 'POPA':
      return { esp: plus(esp, 8 * bytes), ebp: null };
    case 'POP': {
      const n = written(insn)[0]?.n;
      return { esp: n === Reg.ESP ? null : plus(esp, bytes), ebp: n === Reg.EBP ? null : ebp };
    }
    case 'CALL':
      return { esp: flow === 'call' ? esp : plus(esp, -bytes), ebp };
    case 'RET':
      return { esp: plus(esp, bytes + ((insn.immediates[0] ?? 0) & 0xffff)), ebp };
    case 'LEAVE':
      return { esp: plus(ebp, bytes), ebp: null };
    case 'ENTER':
      return { esp: null, ebp: null };
    default:
      return assigned(insn, before);
  }
}

function assigned(insn: Insn, before: FrameState): FrameState {
  let { esp, ebp } = before;
  const registers = written(insn);
  for (const { n, whole } of registers) {
    if (n !== Reg.ESP && n !== Reg.EBP) continue;
    const value = whole && registers.length === 1 ? sumOf(insn, n, before) : null;
    if (n === Reg.ESP) esp = value;
    else ebp = value;
  }
  return { esp, ebp };
}

/** Where the memory operand of an instruction lies relative to ESP at the entry; null when that is not known. */
export function frameOffset(
  { memory, row, operandSize, addressSize }: Insn,
  state: FrameState,
): number | null {
  if (!memory || memory.index >= 0 || addressSize !== 32) return null;
  const isFlat = memory.segment === Seg.SS || memory.segment === Seg.DS || memory.segment === Seg.ES;
  if (!isFlat) return null;
  if (memory.base === Reg.EBP) return plus(state.ebp, memory.disp);
  if (memory.base !== Reg.ESP) return null;
  return plus(state.esp, memory.disp + (row.mnemonic === 'POP' ? operandSize / 8 : 0));
}

/** Bytes that an instruction uses as a stack: first and the one after the last. */
function stackSpan(
  { row: { mnemonic }, operandSize }: Insn,
  { esp, ebp }: FrameState,
): [number, number] | null {
  const bytes = operandSize / 8;
  const span = (from: number | null, count: number): [number, number] | null =>
    from === null ? null : [from, from + count];
  switch (mnemonic) {
    case 'PUSH':
    case 'PUSHF':
    case 'CALL':
      return span(plus(esp, -bytes), bytes);
    case 'POP':
    case 'POPF':
    case 'RET':
      return span(esp, bytes);
    case 'LEAVE':
      return span(ebp, bytes);
    default:
      return null;
  }
}

/** How ESP and EBP move in a region, and which bytes of the stack it uses at places known when it is compiled. */
export class StackFrame {
  readonly extent: FrameExtent | null;
  readonly #states: Map<Place, FrameState>;

  constructor(shape: RegionShape) {
    this.#states = statesOf(shape);
    this.extent = this.#extentOf(shape);
  }

  /** The state at the start of a block. */
  at(place: Place): FrameState {
    return this.#states.get(place) ?? NOWHERE;
  }

  #extentOf(shape: RegionShape): FrameExtent | null {
    let [low, high] = [FARTHEST, -FARTHEST];
    const take = (from: number, to: number): void => {
      if (from < -FARTHEST || to > FARTHEST) return;
      low = Math.min(low, from);
      high = Math.max(high, to);
    };
    for (const [place, block] of shape.blocks) {
      let state = this.at(place);
      for (const item of block.insns) {
        const span = stackSpan(item.insn, state);
        if (span) take(...span);
        const offset = frameOffset(item.insn, state);
        if (offset !== null) take(offset, offset + LONGEST_OPERAND);
        state = frameAfter(item, state);
      }
    }
    return low < high ? { low, high } : null;
  }
}

function statesOf(shape: RegionShape): Map<Place, FrameState> {
  const states = new Map<Place, FrameState>([[shape.entry, ENTRY]]);
  const work: Place[] = [shape.entry];
  const merge = (place: Place, state: FrameState): void => {
    const known = states.get(place);
    const merged = known ? meet(known, state) : state;
    if (known && merged.esp === known.esp && merged.ebp === known.ebp) return;
    states.set(place, merged);
    work.push(place);
  };
  for (let place = work.pop(); place !== undefined; place = work.pop()) {
    const block = shape.blocks.get(place);
    if (block) passOn(block, states.get(place)!, merge);
  }
  return states;
}

function passOn(block: Block, entry: FrameState, merge: (place: Place, state: FrameState) => void): void {
  let before = entry;
  let state = entry;
  for (const item of block.insns) {
    before = state;
    state = frameAfter(item, state);
  }
  const last = block.insns[block.insns.length - 1];
  // Where a call that was taken in is made after all, control comes to the return site with the stack as it was.
  const back = last?.flow === 'inline' ? last.places[last.places.length - 1] : undefined;
  for (const next of block.successors) merge(next, next === back ? before : state);
}

const meet = (a: FrameState, b: FrameState): FrameState => ({
  esp: a.esp === b.esp ? a.esp : null,
  ebp: a.ebp === b.ebp ? a.ebp : null,
});
