import { MS, SECOND } from '../timers.ts';

const MIN_RTO = 200 * MS;
const MAX_RTO = 60 * SECOND;
const INITIAL_RTO = SECOND;

/** The retransmission timeout (RFC 6298), in nanoseconds; its least value is Linux's. */
export class RoundTrip {
  smoothedNs: number | undefined = undefined;
  #variationNs = 0;
  #timeoutNs = INITIAL_RTO;
  #backoff = 0;

  get timeoutNs(): number {
    return Math.min(this.#timeoutNs * 2 ** this.#backoff, MAX_RTO);
  }

  /** A measurement of a segment that was sent once (Karn). */
  sample(deltaNs: number): void {
    if (this.smoothedNs === undefined) {
      this.smoothedNs = deltaNs;
      this.#variationNs = deltaNs / 2;
    } else {
      this.#variationNs += (Math.abs(this.smoothedNs - deltaNs) - this.#variationNs) / 4;
      this.smoothedNs += (deltaNs - this.smoothedNs) / 8;
    }
    this.#timeoutNs = Math.max(Math.ceil(this.smoothedNs + 4 * this.#variationNs), MIN_RTO);
    this.#backoff = 0;
  }

  backOff(): void {
    if (this.#backoff < 12) this.#backoff++;
  }

  /** Something new was acknowledged. */
  progress(): void {
    this.#backoff = 0;
  }
}
