/**
 * Whether the TCP or UDP checksum inside a frame means anything.
 *
 * - `present`: it is filled in and unverified, as on a wire.
 * - `validated`: it need not be checked: the sender vouches for the data. The field may hold anything.
 * - `blank`: the field holds the folded sum of the pseudo-header only; whoever puts the frame on a wire completes it
 *   (`completeChecksum`). Implies that the data needs no check. Linux calls it CHECKSUM_PARTIAL, netif.h csum_blank.
 */
export type ChecksumState = 'present' | 'validated' | 'blank';

/** What a frame larger than the MTU is to be cut into. */
export type GsoType = 'tcpv4' | 'tcpv6';

/** An Ethernet frame on its way. */
export interface Frame {
  /**
   * From the destination address to the end of the payload, without FCS; may be shorter than Ethernet's minimum of 60 bytes
   * and, with `gsoSize`, as long as {@link MAX_FRAME_BYTES}. Borrowed: valid during the call that passes the frame, never
   * changed by the receiver. Who keeps it copies it.
   */
  readonly data: Uint8Array;
  readonly checksum: ChecksumState;
  /** Payload bytes of each TCP segment that the frame stands for; 0 for an ordinary frame. Implies `blank`. */
  readonly gsoSize: number;
  /** Meaningful if `gsoSize` is not 0. */
  readonly gsoType: GsoType;
}

/** Longest frame, header included: a packet of netif.h carries its length in 16 bits. */
export const MAX_FRAME_BYTES = 65535;

/** What a port takes besides ordinary frames. A sender that has more on its hands brings it down with `deliver`. */
export interface Offloads {
  /** Frames whose checksum is `blank`. */
  readonly checksum: boolean;
  /** Frames with `gsoSize` of type `tcpv4`. */
  readonly tcpv4: boolean;
  /** Frames with `gsoSize` of type `tcpv6`. */
  readonly tcpv6: boolean;
}

/**
 * One end of an Ethernet cable, as the other end sees it. Both ends are alike: a vif's backend holds the network's port, the
 * network holds the vif's. A protocol stack, a switch, a capture file and a tap are ports too.
 *
 * Calls may nest: `transmit` on one end may call `transmit` on the other before it returns, once. An implementation that
 * answers frames therefore queues what it has to say while a `transmit` of its own is still running, which bounds the depth.
 */
export interface EthernetPort {
  /** What this end takes. Read at every frame: it changes when a frontend reconnects. */
  readonly offloads: Offloads;
  /**
   * Hands a frame to this end.
   * @returns false if the end has no room now: the frame was not taken, and this end will call `resume` on its peer when it
   *   has room, some time after the call. A frame that the end refuses for any other reason (malformed, filtered, link down) counts as taken.
   */
  transmit(frame: Frame): boolean;
  /** The peer, which had answered `transmit` with false, has room again. May be called without need. */
  resume(): void;
}

/** A network that an interface can be plugged into: user-mode network, switch, tap. */
export interface EthernetNetwork {
  /**
   * Plugs in one interface.
   * @param nic the interface's end, which gets the frames that the network has for it
   * @returns the network's end and how to unplug; after `close` the network calls nothing on `nic` and takes no frame
   */
  attach(nic: EthernetPort): AttachedPort;
}

/** A network's end of a cable. */
export interface AttachedPort extends EthernetPort {
  /** Unplugs. Closing twice does nothing. */
  close(): void;
}
