/**
 * A file of the host as disks and image formats use it: random access by bytes, complete before the call returns. The cause
 * of a failure is in `lastError`.
 */
export interface HostFile {
  /** What the host's people call it: its path. */
  readonly name: string;
  /** Size in bytes; writes beyond it make the file longer. */
  readonly sizeBytes: number;
  readonly readonly: boolean;
  /** What the medium writes at once, in bytes, when it is known. */
  readonly physicalSectorBytes?: number;
  readonly lastError: Error | null;
  /**
   * Fills `into`; what lies behind the end of the file reads as zeros.
   * @returns how many bytes the file had, or -1 when the host failed
   */
  read(offset: number, into: Uint8Array): number;
  /** @returns false when the host failed */
  write(offset: number, from: Uint8Array): boolean;
  /** As `read`, into several pieces one after the other. */
  readPieces(offset: number, into: readonly Uint8Array[]): number;
  /** As `write`, from several pieces. */
  writePieces(offset: number, from: readonly Uint8Array[]): boolean;
  /** Makes what was written durable. @returns false when the host failed */
  flush(): boolean;
  /** Further calls fail. Closing twice does nothing. */
  close(): void;
}
