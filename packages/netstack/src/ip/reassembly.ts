import { SECOND, Timer, type TimerQueue } from '../timers.ts';

/** Datagrams in the making at one time; the oldest is given up for a new one. */
const MAX_DATAGRAMS = 16;
const MAX_PIECES = 128;
const MAX_DATAGRAM_BYTES = 65535 - 20;
const TIMEOUT = 30 * SECOND;

interface Piece {
  readonly from: number;
  readonly bytes: Uint8Array;
}

interface Datagram {
  readonly expiresAt: number;
  /** By `from`, without overlap. */
  readonly pieces: Piece[];
  bytes: number;
  /** Known when the last fragment has come. */
  length: number | undefined;
}

/** What identifies a datagram, and where this part of it lies. */
export interface Fragment {
  readonly source: number;
  readonly destination: number;
  readonly protocol: number;
  readonly id: number;
  /** Offset of the payload in the datagram's payload; a multiple of 8. */
  readonly offset: number;
  readonly more: boolean;
  readonly payload: Uint8Array;
}

/**
 * Puts fragments of IPv4 datagrams together (RFC 791). Memory is bounded by the number of datagrams and pieces; fragments
 * that overlap spoil their datagram (as RFC 5722 has it for IPv6), except exact repetitions.
 */
export class Reassembly {
  readonly #datagrams: Map<string, Datagram> = new Map();
  readonly #timers: TimerQueue;
  readonly #timer: Timer;

  constructor(timers: TimerQueue) {
    this.#timers = timers;
    this.#timer = new Timer(timers, () => this.#expire());
  }

  /** Datagrams in the making. */
  get size(): number {
    return this.#datagrams.size;
  }

  /** @returns the whole payload when this fragment was the last one missing */
  add(fragment: Fragment): Uint8Array | undefined {
    const { offset, more, payload } = fragment;
    const end = offset + payload.length;
    if (payload.length === 0 || end > MAX_DATAGRAM_BYTES || (more && payload.length % 8 !== 0))
      return undefined;
    const key = `${fragment.source}-${fragment.destination}-${fragment.protocol}-${fragment.id}`;
    const datagram = this.#datagrams.get(key) ?? this.#make(key);
    if (!more && datagram.length !== undefined && datagram.length !== end) return this.#spoil(key);
    if (!more) datagram.length = end;
    const { pieces } = datagram;
    let at = pieces.length;
    while (at > 0 && pieces[at - 1]!.from >= offset) at--;
    const next = pieces[at];
    if (next?.from === offset && next.bytes.length === payload.length) return undefined;
    const before = pieces[at - 1];
    const overlaps =
      (before !== undefined && before.from + before.bytes.length > offset) ||
      (next !== undefined && end > next.from);
    if (overlaps || pieces.length === MAX_PIECES) return this.#spoil(key);
    const last = pieces.at(-1);
    const reach = Math.max(end, last === undefined ? 0 : last.from + last.bytes.length);
    if (datagram.length !== undefined && reach > datagram.length) return this.#spoil(key);
    pieces.splice(at, 0, { from: offset, bytes: payload.slice() });
    datagram.bytes += payload.length;
    if (datagram.bytes !== datagram.length) return undefined;
    this.#datagrams.delete(key);
    const whole = new Uint8Array(datagram.length);
    for (const piece of pieces) whole.set(piece.bytes, piece.from);
    return whole;
  }

  #make(key: string): Datagram {
    if (this.#datagrams.size === MAX_DATAGRAMS) this.#datagrams.delete(this.#datagrams.keys().next().value!);
    const expiresAt = this.#timers.nowNs + TIMEOUT;
    const datagram: Datagram = { expiresAt, pieces: [], bytes: 0, length: undefined };
    this.#datagrams.set(key, datagram);
    if (!this.#timer.isSet) this.#timer.set(TIMEOUT);
    return datagram;
  }

  #spoil(key: string): undefined {
    this.#datagrams.delete(key);
  }

  #expire(): void {
    const now = this.#timers.nowNs;
    for (const [key, { expiresAt }] of this.#datagrams) {
      if (expiresAt > now) return this.#timer.set(expiresAt - now);
      this.#datagrams.delete(key);
    }
  }
}
