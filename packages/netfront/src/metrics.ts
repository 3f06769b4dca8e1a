/** What a network frontend's counters count. tx is from the guest, rx is to it. */
export interface NetFrontMetrics {
  txFrames: number;
  txBytes: number;
  /** frames that were dropped: no connection, longer than a packet can be, or not to be had in one slot */
  txDropped: number;
  /** slots that the backend answered with an error */
  txErrors: number;
  rxFrames: number;
  rxBytes: number;
  /** packets that the backend gave in error, or that made no sense */
  rxErrors: number;
  /** connections that were made */
  connections: number;
  /** connections given up because the backend broke the protocol */
  broken: number;
}

/** @returns counters at zero */
export function newMetrics(): NetFrontMetrics {
  return {
    txFrames: 0,
    txBytes: 0,
    txDropped: 0,
    txErrors: 0,
    rxFrames: 0,
    rxBytes: 0,
    rxErrors: 0,
    connections: 0,
    broken: 0,
  };
}
