import type { TcpConnection, TcpEvent } from '@domu/netstack';
import type { HostFailure, HostStream, HostStreamEvents } from './host.ts';

/**
 * Joins a connection of the guest to a stream of the host: bytes, half-closes and resets pass in both directions, and what one
 * side does not take the other does not give.
 */
export class TcpFlow implements HostStreamEvents {
  readonly #guest: TcpConnection;
  readonly #ended: () => void;
  #stream: HostStream | null = null;
  /** The host's stream takes bytes: it is connected and not full. */
  #writable = false;
  /** The host's stream has been told to pause. */
  #paused: boolean;
  /** The host's side has been told that the guest sends no more. */
  #finished = false;
  #over = false;
  #pumping = false;
  readonly #outgoing: boolean;

  /**
   * @param guest of an outgoing flow, not accepted yet; of an incoming one, being opened
   * @param ended the flow is over
   */
  constructor(guest: TcpConnection, direction: 'outgoing' | 'incoming', ended: () => void) {
    this.#guest = guest;
    this.#ended = ended;
    this.#outgoing = direction === 'outgoing';
    this.#paused = !this.#outgoing;
    this.#writable = !this.#outgoing;
    guest.onEvent = (event) => this.#guestEvent(event);
  }

  /** Gives the host's stream; of an incoming flow it is connected and paused. */
  attach(stream: HostStream): void {
    this.#stream = stream;
    if (this.#outgoing) return;
    // The guest may have answered, one way or the other, before it was listened to.
    if (this.#guest.state === 'CLOSED') this.#guestClosed();
    else this.#letFlow();
  }

  /** Ends the flow on both sides. */
  abort(): void {
    if (this.#over) return;
    this.#stream?.destroy(true);
    this.#guest.abort();
    this.#end();
  }

  connected(): void {
    if (this.#over) return;
    this.#writable = true;
    this.#guest.accept();
    this.#pump();
  }

  data(chunk: Uint8Array): void {
    // A guest that has reset takes nothing; one that only reads no more may still send.
    if (this.#over || !this.#guest.writeOwned(chunk)) return;
    if (this.#guest.writableBytes === 0) this.#pause();
  }

  drained(): void {
    this.#writable = true;
    this.#pump();
  }

  ended(): void {
    if (!this.#over) this.#guest.shutdown();
  }

  closed(failure: HostFailure | undefined): void {
    if (this.#over) return;
    if (failure === 'timeout' && this.#guest.state === 'SYN_RECEIVED') this.#guest.ignore();
    else if (failure !== undefined) this.#guest.abort();
    else this.#guest.close();
    this.#end();
  }

  #guestEvent(event: TcpEvent): void {
    switch (event) {
      case 'connected':
      case 'writable':
        this.#letFlow();
        break;
      case 'readable':
      case 'finished':
        this.#pump();
        break;
      case 'closed':
        this.#guestClosed();
    }
  }

  /** Moves what the guest has sent on. */
  #pump(): void {
    const stream = this.#stream;
    if (stream === null || this.#over || this.#pumping) return;
    this.#pumping = true; // taking a chunk lets the guest send the next one at once
    while (this.#writable) {
      const chunk = this.#guest.take();
      if (chunk === undefined) break;
      this.#writable = stream.write(chunk);
    }
    this.#pumping = false;
    if (this.#guest.atEnd && this.#writable && !this.#finished) {
      this.#finished = true;
      stream.end();
    }
  }

  #letFlow(): void {
    if (this.#paused && this.#guest.writableBytes > 0) {
      this.#paused = false;
      this.#stream?.resume();
    }
    this.#pump();
  }

  #pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    this.#stream?.pause();
  }

  #guestClosed(): void {
    if (this.#over) return;
    // What the guest sent before it closed in order is still on its way out; anything else ends the host's side, too.
    if (this.#guest.closeReason !== 'done') this.#stream?.destroy(true);
    else this.#pump();
    if (this.#guest.closeReason !== 'done' || this.#finished) this.#end();
  }

  #end(): void {
    if (this.#over) return;
    this.#over = true;
    this.#guest.onEvent = null;
    this.#ended();
  }
}
