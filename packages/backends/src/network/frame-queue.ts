import type { Frame } from '@domu/netstack';

/** What a frame costs beside its bytes, so that many small ones are bounded too. */
const OVERHEAD_BYTES = 128;

/** Frames that wait, as copies, of bounded size. */
export class FrameQueue {
  readonly #maxBytes: number;
  readonly #frames: Frame[] = [];
  #first = 0;
  #bytes = 0;

  /** @param maxBytes of data and bookkeeping */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get isEmpty(): boolean {
    return this.#first === this.#frames.length;
  }

  /** @returns false, with nothing queued, when there is no room */
  push(frame: Frame): boolean {
    const cost = frame.data.length + OVERHEAD_BYTES;
    if (this.#bytes + cost > this.#maxBytes) return false;
    this.#bytes += cost;
    this.#frames.push({ ...frame, data: frame.data.slice() });
    return true;
  }

  /** The frame that has waited longest. */
  peek(): Frame | undefined {
    return this.#frames[this.#first];
  }

  shift(): void {
    const frame = this.peek();
    if (frame === undefined) return;
    this.#bytes -= frame.data.length + OVERHEAD_BYTES;
    this.#first++;
    if (this.#first < 64 && this.#first < this.#frames.length) return;
    this.#frames.splice(0, this.#first);
    this.#first = 0;
  }
}
