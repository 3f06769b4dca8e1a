/** Datagrams that wait to be received. */
import { E } from '../abi/errno.ts';
import { MSG_PEEK, MSG_TRUNC } from '../abi/socket.ts';
import type { Op } from '../task/wait.ts';
import type { InMessage, Socket } from './socket.ts';

/** What one datagram costs besides its bytes. */
const OVERHEAD = 256;

interface Waiting {
  readonly data: Uint8Array;
  readonly from: Uint8Array;
}

/** A bounded queue of datagrams of one socket; what does not fit is dropped. */
export class DatagramQueue {
  readonly #socket: Socket;
  #queue: Waiting[] = [];
  #bytes = 0;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  get isEmpty(): boolean {
    return this.#queue.length === 0;
  }

  /** Length of the first one, 0 if there is none. */
  get firstLength(): number {
    return this.#queue[0]?.data.length ?? 0;
  }

  /** @param data kept: the caller has copied it */
  put(data: Uint8Array, from: Uint8Array): void {
    const cost = data.length + OVERHEAD;
    if (this.#bytes + cost > this.#socket.settings.receiveBytes) return;
    this.#queue.push({ data, from });
    this.#bytes += cost;
    this.#socket.changed.wakeAll();
  }

  /** @param isOver nothing more will come: an empty queue reads as the end */
  *take(into: Uint8Array, flags: number, isOver: () => boolean): Op<InMessage | number> {
    const socket = this.#socket;
    const deadline = socket.deadline(socket.settings.receiveTimeoutNs);
    for (;;) {
      const first = this.#queue[0];
      if (first !== undefined) {
        if ((flags & MSG_PEEK) === 0) {
          this.#queue.shift();
          this.#bytes -= first.data.length + OVERHEAD;
        }
        const count = Math.min(into.length, first.data.length);
        into.set(first.data.subarray(0, count));
        const cut = count < first.data.length ? MSG_TRUNC : 0;
        return { count, whole: first.data.length, flags: cut, from: first.from };
      }
      const error = socket.takeError();
      if (error !== 0) return error;
      if (isOver()) return { count: 0, whole: 0, flags: 0 };
      if (!socket.mayWait(flags)) return -E.AGAIN;
      const wake = yield* socket.waitUntil(deadline);
      if (wake !== 0) return wake;
    }
  }

  clear(): void {
    this.#queue = [];
    this.#bytes = 0;
  }
}
