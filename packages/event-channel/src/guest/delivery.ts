/** How a guest sees its events: one implementation per event ABI. */
export interface GuestDelivery {
  /**
   * To be called once a port is bound, before it is used.
   * @param vcpu the one that sees the port's events
   * @returns 0, or -errno when the port cannot be used
   */
  prepare(port: number, vcpu: number): number;
  mask(port: number): void;
  /** Clears the mask; an event that is pending comes up again. */
  unmask(port: number): void;
  isPending(port: number): boolean;
  isMasked(port: number): boolean;
  /** Forgets a pending event. */
  clear(port: number): void;
  /**
   * Finds the ports of `vcpu` that are pending and not masked, clears them and calls `handle` for each. Events that come up
   * meanwhile may be found as well, or wait for the next scan.
   * @returns number of events handled
   */
  scan(vcpu: number, handle: (port: number) => void): number;
}
