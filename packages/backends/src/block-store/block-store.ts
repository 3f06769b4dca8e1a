/**
 * A disk's contents, in sectors of 512 bytes. Calls complete before they return, so that a run under the virtual clock
 * depends on nothing but its input.
 */
export interface BlockStore {
  /** Size in sectors of 512 bytes. */
  readonly sectors: number;
  /** Whether writes are refused. */
  readonly readonly: boolean;
  /**
   * Fills `into` from `sector` on. Its length is a multiple of 512 and the range lies within the disk.
   * @returns false when the host could not read
   */
  read(sector: number, into: Uint8Array): boolean;
  /** Stores `from` at `sector`; ranges as for `read`. @returns false when the host could not write */
  write(sector: number, from: Uint8Array): boolean;
  /** Makes what was written durable. @returns false when the host could not */
  flush(): boolean;
}
