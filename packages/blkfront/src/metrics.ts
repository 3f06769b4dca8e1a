/** What a block frontend's counters count. */
export interface BlkfrontMetrics {
  /** requests put into rings; one of the kernel's may make several */
  requests: number;
  readSectors: number;
  writtenSectors: number;
  /** requests that the backend answered with an error */
  errors: number;
  /** requests put back into the queue because the backend went before it answered */
  requeued: number;
  /** connections that were made */
  connections: number;
  /** connections given up because the backend broke the protocol */
  broken: number;
}

/** @returns counters at zero */
export function newMetrics(): BlkfrontMetrics {
  return {
    requests: 0,
    readSectors: 0,
    writtenSectors: 0,
    errors: 0,
    requeued: 0,
    connections: 0,
    broken: 0,
  };
}
