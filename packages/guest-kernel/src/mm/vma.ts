/** Regions of an address space. */
import type { Op } from '../task/wait.ts';

export const PROT_READ = 1;
export const PROT_WRITE = 2;
export const PROT_EXEC = 4;

/** Where the pages of a region come from when it is not private zeros: a file, or memory that processes share. */
export interface PageSource {
  /**
   * The frame that holds page `index`, with one holder more for the caller.
   * @returns the frame, or -ENXIO behind the end of the file, -EIO, -ENOMEM
   */
  frame(index: number): Op<number>;
  /** A shared mapping is about to write to page `index`. */
  dirtied(index: number): void;
  /** Another region uses it. */
  hold(): void;
  drop(): void;
  /** Brings what shared mappings have written to where it came from. */
  collect?(): void;
  /** The same, and on return it is on the disk. */
  sync?(): Op<number>;
  /** The file whose pages it shows. */
  readonly file?: object;
  /** What /proc/PID/maps says. */
  readonly label: string;
  readonly dev: number;
  readonly ino: number;
}

/** [start, end) of an address space; both multiples of 4096. */
export interface Vma {
  start: number;
  end: number;
  prot: number;
  readonly shared: boolean;
  /** A shared mapping may become writable: its file was opened so. */
  readonly mayWrite: boolean;
  /** A stack: grows when it is touched just below its start. */
  readonly growsDown: boolean;
  /** Null: private memory that starts as zeros. */
  readonly source: PageSource | null;
  /** Page of `source` at `start`. */
  firstPage: number;
  readonly label: string;
}

/** Splits a region at `at`. @returns the upper part; the region itself becomes the lower one */
export function splitVma(vma: Vma, at: number): Vma {
  const upper = { ...vma, start: at, firstPage: vma.firstPage + (at - vma.start) / 4096 };
  vma.end = at;
  vma.source?.hold();
  return upper;
}
