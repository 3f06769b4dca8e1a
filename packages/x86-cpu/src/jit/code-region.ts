/** Compiled code for one entry, valid while its pages are mapped as they were. */
export interface Region {
  readonly eip: number;
  readonly user: boolean;
  /** Byte offset of the entry's page in machine memory. */
  readonly host: number;
  readonly pages: readonly { readonly linear: number; readonly host: number }[];
  /** Index in the table of regions. */
  readonly slot: number;
  /** Its share of its module. */
  readonly bytes: number;
  readonly insns: number;
  /** It stands for another one, and is not found by its EIP. */
  readonly isPlain: boolean;
  /** The same without a stack window, once that was asked for. */
  plain: Region | null;
  /** Keys of its inner blocks. */
  readonly inner: readonly number[];
}

/** Compiled code on one page of machine memory. */
export interface CodePage {
  readonly regions: Set<Region>;
  /** Byte range within the page that the regions were compiled from. */
  low: number;
  high: number;
  /** Stores beside the code, which take the slow way. */
  slowStores: number;
}

/** Tells entries of both privileges apart. */
export const keyOf = (eip: number, user: boolean): number => eip * 2 + (user ? 1 : 0);

/** Whether a store of `bytes` bytes may hit the page's code. */
export const overlaps = (page: CodePage, offset: number, bytes: number): boolean =>
  offset < page.high && offset + bytes > page.low;
