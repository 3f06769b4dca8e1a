import {
  idxDistance,
  PAGE_SIZE,
  XenconsInterface as Page,
  XENCONS_IN_SIZE,
  XENCONS_OUT_SIZE,
} from '@domu/xen-abi';
import type { HostPort } from '../host.ts';

/** Where a guest's console output goes. */
export interface ConsoleSink {
  /**
   * Takes output; the bytes are the sink's to keep.
   * @returns false to have the guest's further output wait in its ring until `ConsoleBackend.resume()`
   */
  write(bytes: Uint8Array): boolean;
}

/** What the daemon of a first console is made of. */
export interface ConsoleBackendOptions {
  /** The guest's console page, 4096 bytes, shared with it. */
  readonly page: Uint8Array;
  readonly sink: ConsoleSink;
  /** Binds the guest's event channel; `onEvent` is to be called when the guest raises it. */
  readonly bind: (onEvent: () => void) => HostPort;
  /** Most bytes of input that wait for the guest to take them; default 64 KiB. */
  readonly maxInputBytes?: number;
}

/** What a console's counters count. */
export interface ConsoleMetrics {
  outBytes: number;
  inBytes: number;
  /** events at which the guest's indices made no sense and were left alone */
  badIndices: number;
}

const DEFAULT_MAX_INPUT_BYTES = 65_536;

/**
 * xenconsoled for one guest: its output ring to a sink, and typed input to its input ring. Whatever indices the guest
 * leaves in the page, a run moves at most one ringful each way and throws nothing.
 * Source: xen/include/public/io/console.h; tools/console/daemon/io.c @ RELEASE-4.18.0
 */
export class ConsoleBackend {
  readonly metrics: ConsoleMetrics = { outBytes: 0, inBytes: 0, badIndices: 0 };
  readonly #page: Uint8Array;
  readonly #view: DataView;
  readonly #sink: ConsoleSink;
  readonly #port: HostPort;
  readonly #maxInputBytes: number;
  #input: Uint8Array = new Uint8Array(0);
  #sinkFull = false;
  #closed = false;

  /** Connects and drains what is already there: events sent before the port was bound are lost. */
  constructor({ page, sink, bind, maxInputBytes = DEFAULT_MAX_INPUT_BYTES }: ConsoleBackendOptions) {
    this.#page = page.subarray(0, PAGE_SIZE);
    this.#view = new DataView(page.buffer, page.byteOffset, PAGE_SIZE);
    this.#sink = sink;
    this.#maxInputBytes = maxInputBytes;
    this.#port = bind(() => this.run());
    this.run();
  }

  /** Moves output to the sink and waiting input to the guest, as far as there is room. */
  run(): void {
    if (this.#closed) return;
    const drained = this.#drain();
    const fed = this.#feed();
    if (drained || fed) this.#port.notify();
  }

  /**
   * Types `bytes`. What the input ring has no room for waits.
   * @returns how many bytes were taken, fewer when too much is waiting already
   */
  input(bytes: Uint8Array): number {
    const taken = bytes.subarray(0, this.#maxInputBytes - this.#input.length);
    const joined = new Uint8Array(this.#input.length + taken.length);
    joined.set(this.#input);
    joined.set(taken, this.#input.length);
    this.#input = joined;
    this.run();
    return taken.length;
  }

  /** Bytes of input that the guest's ring has had no room for. */
  get waitingInputBytes(): number {
    return this.#input.length;
  }

  /** The sink takes output again. */
  resume(): void {
    this.#sinkFull = false;
    this.run();
  }

  /** Takes what the guest still has in its ring, then lets go of the page and the port. */
  close(): void {
    if (this.#closed) return;
    this.#sinkFull = false;
    this.#drain();
    this.#closed = true;
    this.#port.close();
  }

  /** @returns whether it consumed anything */
  #drain(): boolean {
    if (this.#sinkFull) return false;
    const cons = Page.out_cons.get(this.#view, 0);
    const length = idxDistance(Page.out_prod.get(this.#view, 0), cons);
    if (length > XENCONS_OUT_SIZE) this.metrics.badIndices++;
    if (length === 0 || length > XENCONS_OUT_SIZE) return false;
    const bytes = new Uint8Array(length);
    for (let i = 0; i < length; i++) {
      bytes[i] = this.#page[Page.out.offset + ((cons + i) & (XENCONS_OUT_SIZE - 1))];
    }
    Page.out_cons.set(this.#view, 0, cons + length);
    this.metrics.outBytes += length;
    this.#sinkFull = !this.#sink.write(bytes);
    return true;
  }

  /** @returns whether it produced anything */
  #feed(): boolean {
    if (this.#input.length === 0) return false;
    const prod = Page.in_prod.get(this.#view, 0);
    const used = idxDistance(prod, Page.in_cons.get(this.#view, 0));
    if (used > XENCONS_IN_SIZE) this.metrics.badIndices++;
    const count = Math.min(this.#input.length, Math.max(0, XENCONS_IN_SIZE - used));
    for (let i = 0; i < count; i++) {
      this.#page[Page.in.offset + ((prod + i) & (XENCONS_IN_SIZE - 1))] = this.#input[i];
    }
    Page.in_prod.set(this.#view, 0, prod + count);
    this.#input = this.#input.subarray(count);
    this.metrics.inBytes += count;
    return count > 0;
  }
}
