/** Making regions: mmap, brk, and what exec maps. */
import { E } from '../abi/errno.ts';
import { PAGE_SIZE, TASK_SIZE } from '../boot/layout.ts';
import type { AddressSpace } from './address-space.ts';
import type { PageSource } from './vma.ts';
import { MMAP_MIN_ADDR } from './vma-list.ts';

/** Regions of one address space, as Linux's vm.max_map_count. */
export const MAX_REGIONS = 65_530;
/** Below the room for the stack. */
export const MMAP_TOP = 0xb7ff_f000;

export interface NewRegion {
  readonly start: number;
  readonly end: number;
  readonly prot: number;
  readonly shared?: boolean;
  readonly mayWrite?: boolean;
  readonly growsDown?: boolean;
  readonly source?: PageSource | null;
  readonly firstPage?: number;
  readonly label?: string;
}

/** Maps a region at its place; what was there is gone. */
export function mapFixed(memory: AddressSpace, region: NewRegion): void {
  const { start, end, prot, source = null } = region;
  // Held first: unmapping may take the last other hold on it.
  source?.hold();
  memory.unmap(start, end);
  memory.vmas.insert({
    start,
    end,
    prot,
    shared: region.shared ?? false,
    mayWrite: region.mayWrite ?? true,
    growsDown: region.growsDown ?? false,
    source,
    firstPage: region.firstPage ?? 0,
    label: region.label ?? '',
  });
}

/**
 * Where a region of `length` bytes goes.
 * @param hint wished address, or 0
 * @returns the address, or -ENOMEM
 */
export function placeRegion(memory: AddressSpace, hint: number, length: number): number {
  const wished = pageUp(hint);
  const fits = wished >= MMAP_MIN_ADDR && wished + length <= TASK_SIZE;
  if (fits && memory.vmas.isFree(wished, wished + length)) return wished;
  let place = memory.vmas.findFree(length, MMAP_TOP);
  if (place < 0) place = memory.vmas.findFree(length, TASK_SIZE);
  return place < 0 ? -E.NOMEM : place;
}

/** brk. @returns the end of the heap as it is now */
export function setBrk(memory: AddressSpace, wished: number, limitBytes: number): number {
  if (wished < memory.brkStart || wished > TASK_SIZE) return memory.brk;
  if (wished - memory.brkStart > limitBytes) return memory.brk;
  const before = pageUp(memory.brk);
  const after = pageUp(wished);
  if (after < before) memory.unmap(after, before);
  else if (after > before) {
    if (!memory.vmas.isFree(before, after + PAGE_SIZE)) return memory.brk;
    memory.vmas.insert({
      start: before,
      end: after,
      prot: 3,
      shared: false,
      mayWrite: true,
      growsDown: false,
      source: null,
      firstPage: 0,
      label: '[heap]',
    });
  }
  memory.brk = wished;
  return wished;
}

export const pageUp = (va: number): number => Math.ceil(va / PAGE_SIZE) * PAGE_SIZE;
