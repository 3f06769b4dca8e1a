import type { Insn } from '../decode/index.ts';
import type { Block, Place, RegionShape } from './block.ts';
import type { FlowGraph } from './flow-graph.ts';

/**
 * Blocks at whose start the budget is compared, with the instructions that it must last for: the longest way to the next
 * such block. They are the entry, loop headers, and where control comes to from other code, which has used up some of it.
 * @param isCompilable whether an instruction is compiled; the general interpreter runs the others
 */
export function budgetChecks(
  shape: RegionShape,
  graph: FlowGraph,
  isCompilable: (insn: Insn) => boolean,
): Map<Place, number> {
  const checked = new Set<Place>([shape.entry, ...graph.order.filter((place) => graph.isHeader(place))]);
  for (const place of graph.order) {
    const block = shape.blocks.get(place);
    if (block && leavesBetween(block, isCompilable)) for (const next of block.successors) checked.add(next);
  }
  const needs = new Map<Place, number>();
  for (const place of [...graph.order].reverse()) {
    const block = shape.blocks.get(place);
    let after = 0;
    for (const next of block?.successors ?? []) {
      if (checked.has(next) || graph.isBackward(place, next)) continue;
      after = Math.max(after, needs.get(next) ?? 0);
    }
    needs.set(place, after + (block?.insns.length ?? 0));
  }
  for (const place of graph.order) if (!checked.has(place)) needs.delete(place);
  return needs;
}

/** Whether other code runs inside the block, or between it and the next. */
function leavesBetween({ insns, successors }: Block, isCompilable: (insn: Insn) => boolean): boolean {
  return insns.some(({ insn, flow, places }) => {
    if (flow === 'call' || !isCompilable(insn)) return true;
    const isDirect = insn.specs.some(({ kind }) => kind === 'rel');
    return flow === 'inline' && !(isDirect && successors.includes(places[0] ?? -1));
  });
}
