import type { Machine } from './machine.ts';

/**
 * Allocates 2^order frames in a row that belong to nobody yet: zeroed, owned by Xen. `FrameTable.giveTo` passes them on.
 * @returns the first, or -1 when there is no such run
 */
export function allocRun({ frames }: Machine, order: number): number {
  return frames.allocXen(1 << order);
}

/** Gives the frames of a run to a domain. */
export function giveRun(
  { frames }: Machine,
  run: { readonly mfn: number; readonly order: number },
  domid: number,
): void {
  for (let i = 0; i < 1 << run.order; i++) frames.giveTo(run.mfn + i, domid);
}
