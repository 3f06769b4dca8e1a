import type { RegionShape } from './block.ts';

/**
 * Control flow of a region in the form that structured code needs: reverse postorder, dominators, loop headers and merge
 * points. Source: N. Ramsey, "Beyond Relooper" (ICFP 2022); dominators after Cooper, Harvey, Kennedy.
 */
export class FlowGraph {
  /** Reachable blocks in reverse postorder. */
  readonly order: readonly number[];
  readonly #position: Map<number, number> = new Map();
  /** By position: positions of successors, of the immediate dominator, and what the block is. */
  readonly #successors: number[][];
  readonly #dominator: Int32Array;
  readonly #header: Uint8Array;
  readonly #forward: Uint16Array;
  readonly #mergesBelow: number[][];

  constructor(shape: RegionShape) {
    this.order = reversePostorder(shape);
    const { length } = this.order;
    for (let i = 0; i < length; i++) this.#position.set(this.order[i]!, i);
    this.#successors = this.order.map((place) => {
      const { successors } = shape.blocks.get(place)!;
      return successors.map((to) => this.#at(to));
    });
    this.#dominator = this.#dominators(length);
    this.#header = new Uint8Array(length);
    this.#forward = new Uint16Array(length);
    for (let from = 0; from < length; from++) {
      for (const to of this.#successors[from]!) {
        if (to > from) this.#forward[to]!++;
        else if (this.#dominates(to, from)) this.#header[to] = 1;
      }
    }
    this.#mergesBelow = this.order.map(() => []);
    for (let at = length - 1; at > 0; at--) {
      if (this.#forward[at]! > 1) this.#mergesBelow[this.#dominator[at]!]!.push(this.order[at]!);
    }
  }

  #at(place: number): number {
    return this.#position.get(place) ?? 0;
  }

  isBackward(from: number, to: number): boolean {
    return this.#at(to) <= this.#at(from);
  }
  /** A backward edge whose target does not dominate its source: it cannot be a structured branch. */
  isIrreducible(from: number, to: number): boolean {
    return this.isBackward(from, to) && !this.#dominates(this.#at(to), this.#at(from));
  }
  isHeader(place: number): boolean {
    return this.#header[this.#at(place)] === 1;
  }
  isMerge(place: number): boolean {
    return this.#forward[this.#at(place)]! > 1;
  }
  /** Merge points that a block dominates immediately, the last in order first. */
  mergesBelow(place: number): readonly number[] {
    return this.#mergesBelow[this.#at(place)]!;
  }

  #dominates(a: number, b: number): boolean {
    let at = b;
    while (at > a) at = this.#dominator[at]!;
    return at === a;
  }

  #dominators(length: number): Int32Array {
    const dominator = new Int32Array(length).fill(-1);
    dominator[0] = 0;
    const predecessors: number[][] = this.order.map(() => []);
    for (let from = 0; from < length; from++) {
      for (const to of this.#successors[from]!) predecessors[to]!.push(from);
    }
    for (let changed = true; changed; ) {
      changed = false;
      for (let at = 1; at < length; at++) {
        let best = -1;
        for (const p of predecessors[at]!) {
          if (dominator[p]! >= 0) best = best < 0 ? p : common(dominator, best, p);
        }
        if (dominator[at] === best) continue;
        dominator[at] = best;
        changed = true;
      }
    }
    return dominator;
  }
}

function common(dominator: Int32Array, first: number, second: number): number {
  let [a, b] = [first, second];
  while (a !== b) {
    while (a > b) a = dominator[a]!;
    while (b > a) b = dominator[b]!;
  }
  return a;
}

function reversePostorder(shape: RegionShape): number[] {
  const seen = new Set<number>();
  const post: number[] = [];
  const visit = (place: number): void => {
    seen.add(place);
    for (const to of shape.blocks.get(place)?.successors ?? []) if (!seen.has(to)) visit(to);
    post.push(place);
  };
  visit(shape.entry);
  return post.reverse();
}
