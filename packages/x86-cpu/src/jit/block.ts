import { decode, type Insn, isDecodeError } from '../decode/index.ts';
import { parseSpec } from '../operand-spec.ts';

/** How an instruction goes on. */
export type Flow = 'next' | 'jump' | 'branch' | 'call' | 'leave';

export interface RegionInsn {
  readonly eip: number;
  readonly insn: Insn;
  readonly flow: Flow;
  /** Static target of a jump, branch or call, or -1. */
  readonly target: number;
}

/** A straight run of instructions, entered only at its start. */
export interface Block {
  readonly eip: number;
  readonly insns: readonly RegionInsn[];
  /** EIPs of successors inside the region, the taken branch first. */
  readonly successors: readonly number[];
}

/** Instructions of one region, entered at `entry`. */
export interface RegionShape {
  readonly entry: number;
  readonly blocks: ReadonlyMap<number, Block>;
  /** Linear addresses of the pages that hold its bytes. */
  readonly pages: readonly number[];
}

/** Reads up to 15 instruction bytes at a linear address; null where code is not mapped for execution now. */
export type CodeReader = (linear: number) => Uint8Array | null;

const MAX_INSNS = 240;
const PAGE = 4096;
/** Rows after which the bytes that follow need not be code. */
const ENDS = new Set([
  'RET',
  'RETF',
  'IRET',
  'JMPF',
  'CALLF',
  'INT',
  'INT3',
  'HLT',
  'UD2',
  'SYSENTER',
  'SYSCALL',
]);

function classify(insn: Insn, eip: number): RegionInsn {
  const { mnemonic, operands } = insn.row;
  const relative = operands.some((o) => parseSpec(o).kind === 'rel');
  const next = (eip + insn.length) >>> 0;
  const target = relative ? (next + (insn.immediates[0] ?? 0)) >>> 0 : -1;
  const wide = insn.operandSize === 32;
  if (mnemonic === 'CALL' && wide) return { eip, insn, flow: 'call', target };
  if (relative && wide) return { eip, insn, flow: mnemonic === 'JMP' ? 'jump' : 'branch', target };
  const leaves = relative || mnemonic === 'JMP' || mnemonic === 'CALL' || ENDS.has(mnemonic);
  return { eip, insn, flow: leaves ? 'leave' : 'next', target: -1 };
}

/** Finds what is reachable from `entry` without following calls and returns. @returns null when the entry cannot be read */
export function discover(entry: number, read: CodeReader): RegionShape | null {
  const found = new Map<number, RegionInsn>();
  const leaders = new Set<number>([entry]);
  const pages = new Set<number>();
  const work = [entry];
  while (work.length > 0 && found.size < MAX_INSNS) {
    let eip = work.pop() ?? entry;
    while (!found.has(eip) && found.size < MAX_INSNS) {
      const bytes = read(eip);
      const insn = bytes && decode(bytes);
      if (!insn || isDecodeError(insn)) break;
      const item = classify(insn, eip);
      found.set(eip, item);
      const next = (eip + insn.length) >>> 0;
      pages.add(eip - (eip % PAGE));
      pages.add(next - 1 - ((next - 1) % PAGE));
      if (item.flow === 'jump' || item.flow === 'branch') {
        leaders.add(item.target);
        work.push(item.target);
      }
      if (item.flow !== 'next') leaders.add(next);
      if (item.flow === 'jump' || item.flow === 'leave') break;
      eip = next;
    }
  }
  return found.has(entry) ? { entry, blocks: cut(found, leaders), pages: [...pages] } : null;
}

/** Cuts the instructions into blocks at the leaders. */
function cut(found: ReadonlyMap<number, RegionInsn>, leaders: ReadonlySet<number>): Map<number, Block> {
  const blocks = new Map<number, Block>();
  for (const start of leaders) {
    const insns: RegionInsn[] = [];
    let at = start;
    let item = found.get(at);
    while (item && (insns.length === 0 || !leaders.has(at))) {
      insns.push(item);
      at = (at + item.insn.length) >>> 0;
      if (item.flow !== 'next') break;
      item = found.get(at);
    }
    const last = insns[insns.length - 1];
    if (!last) continue;
    const ends = last.flow === 'jump' ? [last.target] : last.flow === 'branch' ? [last.target, at] : [at];
    const successors = last.flow === 'leave' ? [] : ends.filter((e) => found.has(e));
    blocks.set(start, { eip: start, insns, successors });
  }
  return blocks;
}
