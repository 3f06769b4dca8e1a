const CAPACITY = 1 << 18;
/** Room behind the capacity for one event: it is flushed after it. */
const LONGEST_EVENT = 4096;
/** Fewer bytes are copied in less time than `set` takes to start. */
const CHEAPER_BY_HAND = 16;
const BILLION = 1_000_000_000;
const ZERO = 0x30;
const POWERS = [1, 10, 100, 1000, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];
const HEX = Uint8Array.from('0123456789abcdef', (c) => c.charCodeAt(0));
const encoder = new TextEncoder();

/** Text as it stands in a trace, made once. */
export function encoded(text: string): Uint8Array {
  return encoder.encode(text);
}

/**
 * Text under construction, as bytes: a trace has so many events that making a string of each would cost more than what is
 * traced. `flush` hands over what there is.
 */
export class ByteBuffer {
  readonly #bytes: Uint8Array = new Uint8Array(CAPACITY + LONGEST_EVENT);
  readonly #write: (bytes: Uint8Array) => void;
  #length = 0;

  /** @param write takes the bytes at once; they are reused afterwards */
  constructor(write: (bytes: Uint8Array) => void) {
    this.#write = write;
  }

  /** Adds bytes, at most 1 KiB. */
  put(bytes: Uint8Array): void {
    const into = this.#bytes;
    const at = this.#length;
    if (bytes.length < CHEAPER_BY_HAND) for (let i = 0; i < bytes.length; i++) into[at + i] = bytes[i];
    else into.set(bytes, at);
    this.#length = at + bytes.length;
  }

  /** A non-negative integer below 2^53. */
  digits(value: number): void {
    if (value >= BILLION) {
      const high = Math.floor(value / BILLION);
      this.digits(high);
      this.#padded(value - high * BILLION, 9);
      return;
    }
    let places = 1;
    while (places < 9 && value >= POWERS[places]) places++;
    this.#padded(value, places);
  }

  signed(value: number): void {
    if (value < 0) this.#bytes[this.#length++] = 0x2d;
    this.digits(Math.abs(value));
  }

  /** Nanoseconds as microseconds with three places. */
  micros(ns: number): void {
    const whole = Math.floor(ns / 1000);
    this.digits(whole);
    this.#bytes[this.#length++] = 0x2e;
    this.#padded(ns - whole * 1000, 3);
  }

  /** 32 bits as eight hexadecimal digits. */
  hex8(value: number): void {
    for (let shift = 28; shift >= 0; shift -= 4) this.#bytes[this.#length++] = HEX[(value >>> shift) & 15];
  }

  /** Call it after each event. */
  flushIfFull(): void {
    if (this.#length >= CAPACITY) this.flush();
  }

  flush(): void {
    const length = this.#length;
    this.#length = 0;
    if (length > 0) this.#write(this.#bytes.subarray(0, length));
  }

  /** Forgets what has not been handed over. */
  drop(): void {
    this.#length = 0;
  }

  #padded(value: number, places: number): void {
    let rest = value | 0;
    for (let at = this.#length + places - 1; at >= this.#length; at--) {
      const next = (rest / 10) | 0;
      this.#bytes[at] = ZERO + rest - next * 10;
      rest = next;
    }
    this.#length += places;
  }
}
