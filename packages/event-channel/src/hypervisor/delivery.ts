/**
 * How a port's event reaches the domain that owns the port.
 * One implementation per event ABI: 2-level bitmaps, host callbacks; FIFO queues fit the same five operations.
 * Source: xen/include/xen/event.h, "struct evtchn_port_ops" @ RELEASE-4.18.0
 */
export interface PortDelivery {
  /** Number of ports that this ABI can express; port numbers are below it. */
  readonly nrPorts: number;
  /** Marks `port` pending and, unless it is masked, makes `vcpu` see it. A port that is already pending stays as it is. */
  setPending(port: number, vcpu: number): void;
  /** Forgets a pending event of `port`, as closing a port does. */
  clearPending(port: number): void;
  /** Clears the mask of `port`; an event that is pending is made visible to `vcpu`. */
  unmask(port: number, vcpu: number): void;
  isPending(port: number): boolean;
  isMasked(port: number): boolean;
}
