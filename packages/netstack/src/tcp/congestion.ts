import { type Seq, seqDiff } from './seq.ts';

const DUPLICATE_ACKS = 3;
const INITIAL_SEGMENTS = 10;

/** How much may be under way: slow start, congestion avoidance (RFC 5681) and fast recovery (NewReno, RFC 6582). */
export class Congestion {
  /** Bytes. */
  window: number;
  threshold: number = Infinity;
  /** Recovery ends when this is acknowledged; undefined outside of recovery. */
  recover: Seq | undefined = undefined;
  #duplicates = 0;
  #mss: number;

  constructor(mss: number) {
    this.#mss = mss;
    this.window = INITIAL_SEGMENTS * mss;
  }

  set mss(mss: number) {
    this.#mss = mss;
  }

  /**
   * New data was acknowledged.
   * @param ackedBytes how much
   * @param limited whether the window, not the sender's want of data, held it back
   * @returns true if the segment at `una` is to be sent again: recovery goes on
   */
  onAck(una: Seq, ackedBytes: number, flightBytes: number, limited: boolean): boolean {
    this.#duplicates = 0;
    if (this.recover !== undefined) {
      if (seqDiff(una, this.recover) < 0) {
        this.window = Math.max(this.window - ackedBytes + this.#mss, this.#mss);
        return true;
      }
      this.recover = undefined;
      this.window = Math.min(this.threshold, Math.max(flightBytes, this.#mss) + this.#mss);
      return false;
    }
    if (!limited) return false;
    if (this.window < this.threshold) this.window += ackedBytes;
    else this.window += Math.max(1, Math.floor((this.#mss * ackedBytes) / this.window));
    return false;
  }

  /**
   * An acknowledgement repeated itself while data is under way.
   * @param max one past the last sequence number sent
   * @returns true if the segment at `una` is to be sent again: loss is assumed
   */
  onDuplicateAck(max: Seq, flightBytes: number): boolean {
    this.#duplicates++;
    if (this.recover !== undefined) {
      this.window += this.#mss;
      return false;
    }
    if (this.#duplicates !== DUPLICATE_ACKS) return false;
    this.threshold = Math.max(Math.floor(flightBytes / 2), 2 * this.#mss);
    this.window = this.threshold + DUPLICATE_ACKS * this.#mss;
    this.recover = max;
    return true;
  }

  onTimeout(flightBytes: number): void {
    this.threshold = Math.max(Math.floor(flightBytes / 2), 2 * this.#mss);
    this.window = this.#mss;
    this.recover = undefined;
    this.#duplicates = 0;
  }
}
