/** Somebody who watches the requests of a disk, such as a tracer. It does not throw. */
export interface BlockObserver {
  /** A request is about to be carried out. */
  requestBegins(): void;
  /**
   * It has its answer. A request begins only after the one before it has ended.
   * @param operation BLKIF_OP_*, for an indirect one what it asks for
   * @param nrSectors sectors of 512 bytes that were read or written
   * @param status BLKIF_RSP_*
   */
  requestEnds(operation: number, sector: number, nrSectors: number, status: number): void;
}
