import { decode, type Insn, isDecodeError } from '../decode/index.ts';

/**
 * How an instruction goes on: to the next; by a static jump or branch; by a call that the region makes or has taken in;
 * by a return from a call that was taken in; to one of some learnt targets; or out of the region.
 */
export type Flow = 'next' | 'jump' | 'branch' | 'call' | 'inline' | 'return' | 'indirect' | 'leave';

/**
 * A place in a region: an EIP in the context of the calls that were taken in on the way, as context * 2^32 + EIP. The same
 * code can stand in a region several times.
 */
export type Place = number;

export interface RegionInsn {
  readonly eip: number;
  readonly insn: Insn;
  readonly flow: Flow;
  /**
   * Where it may go inside the region, the taken branch first; EIPs of exits are not here. Of a call that was taken in: the
   * callees that it may go to, then where they return to.
   */
  readonly places: readonly Place[];
}

/** A straight run of instructions, entered only at its start. */
export interface Block {
  readonly place: Place;
  readonly insns: readonly RegionInsn[];
  readonly successors: readonly Place[];
}

/** Instructions of one region. */
export interface RegionShape {
  readonly entry: Place;
  readonly blocks: ReadonlyMap<Place, Block>;
  /** Linear addresses of the pages that hold its bytes. */
  readonly pages: readonly number[];
}

/** What the region compiler may look at; nothing of it changes what the guest sees. */
export interface CodeView {
  /** Up to 15 instruction bytes at a linear address; null where code is not mapped for execution now. */
  bytes(linear: number): Uint8Array | null;
  /** Byte offset in machine memory of the page of `linear`, mapped for execution now; 0 when it is not. */
  page(linear: number, user: boolean): number;
  /** Where the indirect jump or call at `eip` went, as far as is known. */
  targets(eip: number, insn: Insn): readonly number[];
  /** Whether a jump, call or return to `eip` has been seen. */
  reached(eip: number): boolean;
  /** Whether there is a region that begins at `eip`. */
  compiled(eip: number, user: boolean): boolean;
  /** Whether there is a long region that begins at `eip` and does not hold `entry`. */
  leadsAway(eip: number, user: boolean, entry: number): boolean;
}

const CONTEXT = 2 ** 32;
const MAX_INSNS = 240;
/**
 * Instructions of a region that begins where a call returns, which is entered when the caller's region was left meanwhile.
 * It leads back to regions that there are.
 */
const MAX_RETURN_INSNS = 120;
/** A callee with more instructions is called, not taken in; one of several callees of a call, with more than this. */
const MAX_CALLEE = 70;
const MAX_CHOICE = 16;
const MAX_DEPTH = 2;
const MAX_CONTEXTS = 24;
const PAGE = 4096;
/** Rows after which the bytes that follow need not be code. */
const ENDS = new Set(['RETF', 'IRET', 'JMPF', 'CALLF', 'INT', 'INT3', 'HLT', 'UD2', 'SYSENTER', 'SYSCALL']);

/** The EIP of a place. */
export function eipOf(place: Place): number {
  return place % CONTEXT;
}

/** Instructions of all blocks; what stands there several times counts as often. */
export function countInsns({ blocks }: RegionShape): number {
  let insns = 0;
  for (const block of blocks.values()) insns += block.insns.length;
  return insns;
}

interface Context {
  readonly depth: number;
  /** Where the call returns to; -1 in the context of the region's own function. */
  readonly back: Place;
}

interface Classified {
  readonly kind: 'next' | 'jump' | 'branch' | 'call' | 'indirect-call' | 'indirect-jump' | 'return' | 'leave';
  readonly target: number;
}

function classify(insn: Insn, eip: number): Classified {
  const { mnemonic } = insn.row;
  const relative = insn.specs.some(({ kind }) => kind === 'rel');
  const target = relative ? (eip + insn.length + (insn.immediates[0] ?? 0)) >>> 0 : -1;
  if (
    insn.operandSize === 16 &&
    (relative || mnemonic === 'JMP' || mnemonic === 'CALL' || mnemonic === 'RET')
  ) {
    return { kind: 'leave', target: -1 };
  }
  if (mnemonic === 'CALL') return { kind: relative ? 'call' : 'indirect-call', target };
  if (mnemonic === 'JMP') return { kind: relative ? 'jump' : 'indirect-jump', target };
  if (mnemonic === 'RET') return { kind: 'return', target };
  if (relative) return { kind: 'branch', target };
  return { kind: ENDS.has(mnemonic) ? 'leave' : 'next', target };
}

/** Finds what is reachable from an entry, taking in small callees. */
class Discovery {
  readonly found: Map<Place, RegionInsn> = new Map();
  readonly leaders: Set<Place> = new Set();
  readonly pages: Set<number> = new Set();
  readonly #view: CodeView;
  readonly #contexts: Context[] = [{ depth: 0, back: -1 }];
  readonly #work: Place[];
  readonly #decoded: Map<number, Insn | null> = new Map();
  readonly #maxInsns: number;
  readonly #maxDepth: number;
  readonly #user: boolean;
  readonly #returns: boolean;
  readonly #entry: number;
  /** Instructions of callees taken in. */
  #promised = 0;

  constructor(entry: number, user: boolean, view: CodeView) {
    this.#view = view;
    this.#entry = entry;
    this.#work = [entry];
    this.#user = user;
    this.#returns = isReturnSite(entry, view);
    this.#maxInsns = this.#returns ? MAX_RETURN_INSNS : MAX_INSNS;
    this.#maxDepth = this.#returns ? 0 : MAX_DEPTH;
    this.leaders.add(entry);
  }

  run(): void {
    for (let place = this.#work.pop(); place !== undefined; place = this.#work.pop()) this.#trace(place);
  }

  #trace(start: Place): void {
    let place = start;
    while (!this.found.has(place) && this.found.size < this.#maxInsns) {
      const eip = eipOf(place);
      if (this.found.size > 0 && this.#stops(place)) return;
      const insn = this.#decode(eip);
      if (!insn) return;
      const next = (eip + insn.length) >>> 0;
      this.pages.add(eip - (eip % PAGE));
      this.pages.add(next - 1 - ((next - 1) % PAGE));
      const item = this.#item(place, insn, next);
      this.found.set(place, item);
      this.#follow(item, place - eip + next);
      if (item.flow !== 'next') return;
      place = place - eip + next;
    }
  }

  /** Whether there is a region to go on with. */
  #stops(place: Place): boolean {
    const eip = eipOf(place);
    if (this.#returns) return this.#view.compiled(eip, this.#user);
    return place === eip && this.#view.leadsAway(eip, this.#user, this.#entry);
  }

  /**
   * What was never jumped to stays outside: compiled code is left there. So do loops behind a return site: those of the
   * function's other regions have callees taken in.
   */
  #follow({ eip, places, flow }: RegionInsn, next: Place): void {
    for (const to of places) {
      if (this.#returns && eipOf(to) <= eip) continue;
      const isCertain = to === next || flow === 'return' || this.found.has(to);
      if (isCertain || this.#view.reached(eipOf(to))) this.#lead(to);
    }
  }

  /** Null for what cannot be read, and for what goes on beyond the end of the address space, where a fault awaits. */
  #decode(eip: number): Insn | null {
    const known = this.#decoded.get(eip);
    if (known !== undefined) return known;
    const bytes = this.#view.bytes(eip);
    const result = bytes && decode(bytes);
    const isWhole = result && !isDecodeError(result) && eip + result.length <= CONTEXT;
    const insn = isWhole ? result : null;
    this.#decoded.set(eip, insn);
    return insn;
  }

  #lead(place: Place): void {
    this.leaders.add(place);
    this.#work.push(place);
  }

  #item(place: Place, insn: Insn, next: number): RegionInsn {
    const eip = eipOf(place);
    const here = place - eip;
    const { kind, target } = classify(insn, eip);
    const make = (flow: Flow, ...places: Place[]): RegionInsn => ({ eip, insn, flow, places });
    switch (kind) {
      case 'jump':
        return make('jump', here + target);
      case 'branch':
        return make('branch', here + target, here + next);
      case 'return': {
        const { back } = this.#contexts[here / CONTEXT] ?? { back: -1 };
        return back < 0 ? make('leave') : make('return', back);
      }
      case 'indirect-jump':
        return make('indirect', ...this.#view.targets(eip, insn).map((t) => here + t));
      case 'call': {
        if (!this.#view.reached(target)) return make('leave');
        const inside = this.#enter(here, target, here + next, MAX_CALLEE);
        return inside < 0 ? make('call', here + next) : make('inline', inside, here + next);
      }
      case 'indirect-call': {
        const targets = this.#view.targets(eip, insn);
        const most = targets.length > 1 ? MAX_CHOICE : MAX_CALLEE;
        const inside = targets.map((to) => this.#enter(here, to, here + next, most)).filter((to) => to >= 0);
        return inside.length === 0 ? make('call', here + next) : make('inline', ...inside, here + next);
      }
      case 'leave':
        return make('leave');
      default:
        return make('next');
    }
  }

  /** Takes a call in. @returns the callee's first place, or -1 when it stays a call */
  #enter(here: Place, callee: number, back: Place, most: number): Place {
    const depth = (this.#contexts[here / CONTEXT]?.depth ?? 0) + 1;
    if (depth > this.#maxDepth || this.#contexts.length > MAX_CONTEXTS) return -1;
    if (!this.#view.reached(callee)) return -1;
    const size = this.#calleeSize(callee);
    if (size === 0 || size > most || this.found.size + this.#promised + size > this.#maxInsns) return -1;
    this.#promised += size;
    this.#contexts.push({ depth, back });
    return (this.#contexts.length - 1) * CONTEXT + callee;
  }

  /** Instructions of a callee without those it calls; 0 when there are too many, or none can be read. */
  #calleeSize(entry: number): number {
    const seen = new Set<number>();
    const work = [entry];
    for (let eip = work.pop(); eip !== undefined; eip = work.pop()) {
      while (!seen.has(eip)) {
        if (seen.size >= MAX_CALLEE) return 0;
        const insn = this.#decode(eip);
        if (!insn) return 0;
        seen.add(eip);
        const { kind, target } = classify(insn, eip);
        if ((kind === 'jump' || kind === 'branch') && this.#view.reached(target)) work.push(target);
        if (kind === 'jump' || kind === 'return' || kind === 'indirect-jump' || kind === 'leave') break;
        eip = (eip + insn.length) >>> 0;
      }
    }
    return seen.size;
  }
}

/** Whether the bytes before `entry` look like a call: a relative one, or one through a register or memory. */
function isReturnSite(entry: number, view: CodeView): boolean {
  const before = entry < 8 ? null : view.bytes(entry - 8);
  if (!before || before.length < 8) return false;
  return (
    before[3] === 0xe8 || [2, 3, 4, 6].some((at) => before[at] === 0xff && (before[at + 1] & 0x38) === 0x10)
  );
}

/** The region at `entry`. @returns null when the entry cannot be read */
export function discover(entry: number, user: boolean, view: CodeView): RegionShape | null {
  const discovery = new Discovery(entry, user, view);
  discovery.run();
  const { found, leaders, pages } = discovery;
  return found.has(entry) ? { entry, blocks: cut(found, leaders), pages: [...pages] } : null;
}

/** Cuts the instructions into blocks at the leaders. */
function cut(found: ReadonlyMap<Place, RegionInsn>, leaders: ReadonlySet<Place>): Map<Place, Block> {
  const blocks = new Map<Place, Block>();
  for (const start of leaders) {
    const insns: RegionInsn[] = [];
    let at = start;
    let item = found.get(at);
    while (item && (insns.length === 0 || !leaders.has(at))) {
      insns.push(item);
      at = at - item.eip + ((item.eip + item.insn.length) >>> 0);
      if (item.flow !== 'next') break;
      item = found.get(at);
    }
    const last = insns[insns.length - 1];
    if (!last) continue;
    const ends = last.flow === 'next' ? [at] : last.places;
    const successors = ends.filter((e) => leaders.has(e) && found.has(e));
    blocks.set(start, { place: start, insns, successors });
  }
  return blocks;
}
