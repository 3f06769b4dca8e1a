/** What a block backend's counters count. */
export interface BlkBackMetrics {
  /** requests answered, whatever the answer */
  requests: number;
  readSectors: number;
  writtenSectors: number;
  discardedSectors: number;
  /** flushes and barriers that reached the store */
  flushes: number;
  /** requests answered with an error because they made no sense or were not allowed */
  refused: number;
  /** requests answered with an error because a page could not be mapped */
  grantFailures: number;
  /** requests answered with an error because the host could not do it */
  hostFailures: number;
  /** rings given up because the frontend's indices made no sense */
  brokenRings: number;
}

/** @returns counters at zero */
export function newMetrics(): BlkBackMetrics {
  return {
    requests: 0,
    readSectors: 0,
    writtenSectors: 0,
    discardedSectors: 0,
    flushes: 0,
    refused: 0,
    grantFailures: 0,
    hostFailures: 0,
    brokenRings: 0,
  };
}
