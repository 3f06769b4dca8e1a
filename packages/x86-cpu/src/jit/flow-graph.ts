import type { RegionShape } from './block.ts';

/**
 * Control flow of a region in the form that structured code needs: reverse postorder, dominators, loop headers and merge
 * points. Source: N. Ramsey, "Beyond Relooper" (ICFP 2022); dominators after Cooper, Harvey, Kennedy.
 */
export class FlowGraph {
  /** Reachable blocks in reverse postorder. */
  readonly order: readonly number[];
  readonly #position: ReadonlyMap<number, number>;
  readonly #dominator: ReadonlyMap<number, number>;
  readonly #headers: Set<number> = new Set();
  readonly #merges: Set<number> = new Set();
  readonly #shape: RegionShape;

  constructor(shape: RegionShape) {
    this.#shape = shape;
    this.order = reversePostorder(shape);
    this.#position = new Map(this.order.map((eip, i) => [eip, i]));
    this.#dominator = this.#dominators();
    const forward = new Map<number, number>();
    for (const from of this.order) {
      for (const to of this.#successors(from)) {
        if (!this.isBackward(from, to)) forward.set(to, (forward.get(to) ?? 0) + 1);
        else if (this.#dominates(to, from)) this.#headers.add(to);
      }
    }
    for (const [to, count] of forward) if (count > 1) this.#merges.add(to);
  }

  #successors(eip: number): readonly number[] {
    return this.#shape.blocks.get(eip)?.successors ?? [];
  }
  #at(eip: number): number {
    return this.#position.get(eip) ?? 0;
  }

  isBackward(from: number, to: number): boolean {
    return this.#at(to) <= this.#at(from);
  }
  /** A backward edge whose target does not dominate its source: it cannot be a structured branch. */
  isIrreducible(from: number, to: number): boolean {
    return this.isBackward(from, to) && !this.#dominates(to, from);
  }
  isHeader(eip: number): boolean {
    return this.#headers.has(eip);
  }
  isMerge(eip: number): boolean {
    return this.#merges.has(eip);
  }
  /** Merge points that `eip` dominates immediately, the last in order first. */
  mergesBelow(eip: number): number[] {
    return this.order.filter((e) => this.isMerge(e) && e !== eip && this.#dominator.get(e) === eip).reverse();
  }

  #dominates(a: number, b: number): boolean {
    let at = b;
    while (at !== a) {
      const up = this.#dominator.get(at);
      if (up === undefined || up === at) return false;
      at = up;
    }
    return true;
  }

  #dominators(): Map<number, number> {
    const predecessors = new Map<number, number[]>();
    for (const from of this.order) {
      for (const to of this.#successors(from)) predecessors.set(to, [...(predecessors.get(to) ?? []), from]);
    }
    const entry = this.#shape.entry;
    const dominator = new Map([[entry, entry]]);
    for (let changed = true; changed; ) {
      changed = false;
      for (const eip of this.order) {
        if (eip === entry) continue;
        const known = (predecessors.get(eip) ?? []).filter((p) => dominator.has(p));
        const best = known.reduce((a, b) => this.#common(dominator, a, b));
        if (dominator.get(eip) === best) continue;
        dominator.set(eip, best);
        changed = true;
      }
    }
    return dominator;
  }

  #common(dominator: ReadonlyMap<number, number>, first: number, second: number): number {
    let [a, b] = [first, second];
    while (a !== b) {
      while (this.#at(a) > this.#at(b)) a = dominator.get(a) ?? a;
      while (this.#at(b) > this.#at(a)) b = dominator.get(b) ?? b;
    }
    return a;
  }
}

function reversePostorder(shape: RegionShape): number[] {
  const seen = new Set<number>();
  const post: number[] = [];
  const visit = (eip: number): void => {
    if (seen.has(eip)) return;
    seen.add(eip);
    for (const to of shape.blocks.get(eip)?.successors ?? []) visit(to);
    post.push(eip);
  };
  visit(shape.entry);
  return post.reverse();
}
