import type { Ipv4Address } from '@domu/netstack';

/** Why a host socket could not be opened or ended early. */
export type HostFailure = 'refused' | 'unreachable' | 'timeout' | 'reset';

/** An address and port in the host's world. */
export interface HostEndpoint {
  /** An IPv4 or IPv6 address as text; of forwards, the interface to listen on. */
  readonly address: string;
  readonly port: number;
}

/** What a stream of the host tells. Never called from inside a call of {@link HostStream} or before `connectTcp` returns. */
export interface HostStreamEvents {
  connected(): void;
  /** The chunk is the receiver's to keep. */
  data(chunk: Uint8Array): void;
  /** `write` had returned false, and there is room again. */
  drained(): void;
  /** The peer will send no more. */
  ended(): void;
  /** Over in both directions; nothing is called any more. */
  closed(failure: HostFailure | undefined): void;
}

/** A TCP connection of the host. */
export interface HostStream {
  /** @param chunk not changed any more by the caller. @returns false if no more should be written until `drained` */
  write(chunk: Uint8Array): boolean;
  /** Half-close after what was written. */
  end(): void;
  /** Ends both directions at once. @param reset tell the peer so */
  destroy(reset: boolean): void;
  /** Stops and restarts `data` and `ended`; a chunk that is under way may still come. */
  pause(): void;
  resume(): void;
}

/** A UDP socket of the host. */
export interface HostDatagramSocket {
  /** May drop the datagram, as networks do. @param payload not changed any more by the caller */
  send(payload: Uint8Array, to: HostEndpoint): void;
  close(): void;
}

/** An open port of the host. */
export interface HostListener {
  /** Connections that were accepted go on. */
  close(): void;
}

/** The sockets of the host, as the network needs them. All calls return at once. */
export interface HostNetwork {
  connectTcp(to: HostEndpoint, events: HostStreamEvents): HostStream;
  /**
   * Listens. `accept` takes a connection, paused, and gives what it tells its events to.
   * @param failed the port could not be opened; the text says why
   */
  listenTcp(
    at: HostEndpoint,
    accept: (stream: HostStream, from: HostEndpoint) => HostStreamEvents,
    failed: (reason: string) => void,
  ): HostListener;
  /**
   * Opens a UDP socket, at a port of the host's choice unless `at` is given.
   * @param receive gets datagrams; the payload is the receiver's to keep
   * @param failed the socket could not be opened; the text says why
   */
  openUdp(
    at: HostEndpoint | undefined,
    receive: (payload: Uint8Array, from: HostEndpoint) => void,
    failed: (reason: string) => void,
  ): HostDatagramSocket;
  /** Where the host asks for names now; the first that can be reached is used. */
  resolvers(): readonly HostEndpoint[];
}

/** Something that the guest's owner should know: a forward that could not be opened, a limit that was reached. */
export type NetworkLog = (text: string) => void;

/** A guest-side address and port. */
export interface GuestEndpoint {
  readonly address: Ipv4Address;
  readonly port: number;
}
