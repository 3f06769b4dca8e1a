/** What a network backend's counters count. tx is from the guest, rx is to it. */
export interface NetBackMetrics {
  txPackets: number;
  txBytes: number;
  /** packets of the guest that were answered with an error: too short, too long, or their pages could not be read */
  txErrors: number;
  rxPackets: number;
  rxBytes: number;
  /** slots to the guest that were answered with an error because their pages could not be written */
  rxErrors: number;
  /** packets for the guest that were dropped: not connected, no carrier, too long for it, or no room and nobody to wait */
  rxDropped: number;
  /** times the network was told to wait for the guest */
  rxStalls: number;
  /** connections given up because the frontend broke the protocol */
  protocolErrors: number;
}

/** @returns counters at zero */
export function newMetrics(): NetBackMetrics {
  return {
    txPackets: 0,
    txBytes: 0,
    txErrors: 0,
    rxPackets: 0,
    rxBytes: 0,
    rxErrors: 0,
    rxDropped: 0,
    rxStalls: 0,
    protocolErrors: 0,
  };
}
