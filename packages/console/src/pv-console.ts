import type { GuestEventPort, GuestEvents } from '@domu/event-channel/guest';
import { __HYPERVISOR_sched_op, type GuestPort, type LinearAddr, SCHEDOP_yield } from '@domu/xen-abi';
import { ConsoleRing } from './ring.ts';

/** Where a console's page and port are; the first console's come with start_info. */
export interface ConsolePlace {
  /** The console page, as the kernel has mapped it. */
  readonly page: LinearAddr;
  /** This domain's end of the console's event channel. */
  readonly port: number;
}

/** What a console asks of the kernel that it runs in. */
export interface ConsoleParts {
  readonly guest: GuestPort;
  readonly events: GuestEvents;
}

/**
 * A console of the guest. It buffers nothing itself: what the ring has no room for stays with the writer until
 * `onWritable`, what nobody reads stays in the ring and holds up whoever types.
 */
export class PvConsole {
  /** Called at an event when there is something to read. */
  onReadable: () => void = () => {};
  /** Called once there is room again after a `write` that did not take everything. */
  onWritable: () => void = () => {};
  readonly #parts: ConsoleParts;
  #ring: ConsoleRing;
  #port: GuestEventPort | null = null;
  #writerWaits = false;

  /** Not bound yet: see `openConsole`. */
  constructor(parts: ConsoleParts, page: LinearAddr) {
    this.#parts = parts;
    this.#ring = new ConsoleRing(parts.guest, page);
  }

  /**
   * Goes on with another page and port, as after a resume. What was in the old page is lost.
   * @returns 0, or -errno when the port cannot be used
   */
  connect({ page, port }: ConsolePlace): number {
    this.#ring = new ConsoleRing(this.#parts.guest, page);
    const bound = this.#parts.events.adopt(port, () => this.poll());
    if (typeof bound === 'number') return bound;
    this.bound(bound);
    return 0;
  }

  /** Takes a port whose handler calls `poll`. */
  bound(port: GuestEventPort): void {
    this.#port = port;
    if (this.#ring.room > 0) this.#announceRoom();
  }

  /** Bytes that wait to be read. */
  get readable(): number {
    return this.#ring.readable;
  }

  /** @returns how many bytes were taken; when fewer than given, `onWritable` tells when to go on */
  write(bytes: Uint8Array): number {
    const taken = this.#ring.write(bytes);
    this.#writerWaits = taken < bytes.length;
    if (taken > 0) this.#port?.notify();
    return taken;
  }

  /**
   * Writes everything, giving the processor away while the ring is full: for a kernel's first and last words, when it
   * cannot wait for events.
   * @param maxYields how often to do so before the rest is dropped
   * @returns whether everything was written
   */
  writeAll(bytes: Uint8Array, maxYields = 100_000): boolean {
    let rest = bytes;
    for (let yields = 0; yields <= maxYields; yields++) {
      rest = rest.subarray(this.#ring.write(rest));
      this.#port?.notify();
      if (rest.length === 0) return true;
      this.#parts.guest.hypercall(__HYPERVISOR_sched_op, SCHEDOP_yield);
    }
    return false;
  }

  /** @returns how many bytes were put into `into` */
  read(into: Uint8Array): number {
    const count = this.#ring.read(into);
    if (count > 0) this.#port?.notify();
    return count;
  }

  /** Looks at the ring, as an event makes it do. */
  poll(): void {
    if (this.#ring.readable > 0) this.onReadable();
    if (this.#ring.room > 0) this.#announceRoom();
  }

  /** Lets go of the port; the page is the kernel's. Closing twice does nothing. */
  close(): void {
    this.#port?.close();
    this.#port = null;
  }

  #announceRoom(): void {
    if (!this.#writerWaits) return;
    this.#writerWaits = false;
    this.onWritable();
  }
}

/**
 * Opens a console whose port is bound already, as the toolstack leaves that of start_info: works before xenstore does.
 * @returns the console, or -errno when the port cannot be used
 */
export function openConsole(parts: ConsoleParts, place: ConsolePlace): PvConsole | number {
  const console = new PvConsole(parts, place.page);
  const rc = console.connect(place);
  return rc < 0 ? rc : console;
}
