import type { NetInterface } from './interface.ts';
import type { EthernetPort, Frame, Offloads } from './port.ts';
import type { StackOptions } from './stack.ts';
import { NetStack } from './stack.ts';
import type { StackHost } from './timers.ts';
import { deliver } from './wire/offload.ts';

/** A clock that a test moves, and a reproducible source of randomness. */
export class TestHost implements StackHost {
  now: number = 0;
  #state: number;

  constructor(seed = 1) {
    this.#state = seed;
  }

  nowNs(): number {
    return this.now;
  }

  random32(): number {
    this.#state = (this.#state + 0x9e3779b9) >>> 0; // splitmix32
    let z = this.#state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return (z ^ (z >>> 15)) >>> 0;
  }

  chance(probability: number): boolean {
    return this.random32() < probability * 0x100000000;
  }
}

export interface WireOptions {
  /** Probabilities. */
  readonly loss?: number;
  readonly duplication?: number;
  readonly reordering?: number;
  /** One way. */
  readonly delayNs?: number;
  /** Frames under way in one direction; what does not fit is refused. */
  readonly capacity?: number;
  readonly offloads?: Offloads;
  /** Frames arrive before `transmit` returns; nothing else applies. */
  readonly direct?: boolean;
}

export const ALL_OFFLOADS: Offloads = { checksum: true, tcpv4: true, tcpv6: true };
export const NO_OFFLOADS: Offloads = { checksum: false, tcpv4: false, tcpv6: false };

interface Flying {
  readonly at: number;
  readonly frame: Frame;
}

/** One direction of a cable that loses, repeats, delays and reorders frames. */
class Direction implements EthernetPort {
  readonly offloads: Offloads;
  readonly flying: Flying[] = [];
  readonly #host: TestHost;
  readonly #options: WireOptions;
  readonly #to: NetInterface;
  readonly from: NetInterface;
  #refused = false;
  /** Frames that went in. */
  count: number = 0;

  constructor(host: TestHost, options: WireOptions, from: NetInterface, to: NetInterface) {
    this.#host = host;
    this.#options = options;
    this.offloads = options.offloads ?? ALL_OFFLOADS;
    this.#to = to;
    this.from = from;
  }

  transmit(frame: Frame): boolean {
    const { loss = 0, duplication = 0, reordering = 0, delayNs = 0, capacity = Infinity } = this.#options;
    if (this.flying.length >= capacity) {
      this.#refused = true;
      return false;
    }
    this.count++;
    const { checksum, gsoSize, gsoType } = frame;
    const copy: Frame = { data: frame.data.slice(), checksum, gsoSize, gsoType };
    if (this.#host.chance(loss)) return true;
    const at = this.#host.now + delayNs * (this.#host.chance(reordering) ? 3 : 1);
    this.flying.push({ at, frame: copy });
    if (this.#host.chance(duplication)) this.flying.push({ at: at + delayNs, frame: copy });
    this.flying.sort((a, b) => a.at - b.at);
    return true;
  }

  resume(): void {}

  /** Hands over what has arrived. @returns whether there was anything */
  arrive(): boolean {
    let any = false;
    while (this.flying[0] !== undefined && this.flying[0].at <= this.#host.now) {
      const { frame } = this.flying.shift()!;
      deliver(this.#to, frame);
      any = true;
    }
    if (any && this.#refused) {
      this.#refused = false;
      this.from.resume();
    }
    return any;
  }
}

/** Two stacks, 10.0.0.1 and 10.0.0.2, with a cable between them. */
export class TestNet {
  readonly host: TestHost;
  readonly a: NetStack;
  readonly b: NetStack;
  readonly directions: readonly [Direction, Direction];

  constructor(wire: WireOptions = {}, seed = 1, options: StackOptions = {}) {
    this.host = new TestHost(seed);
    this.a = new NetStack(this.host, options);
    this.b = new NetStack(this.host, options);
    const ends = [this.a, this.b].map((stack, index) =>
      stack.addInterface({ name: 'eth0', mac: 0x020000000001 + index }),
    ) as [NetInterface, NetInterface];
    this.directions = [
      new Direction(this.host, wire, ends[0], ends[1]),
      new Direction(this.host, wire, ends[1], ends[0]),
    ];
    ends[0].connect(wire.direct ? ends[1] : this.directions[0]);
    ends[1].connect(wire.direct ? ends[0] : this.directions[1]);
    this.a.addAddress(ends[0], A, 24);
    this.b.addAddress(ends[1], B, 24);
    // They know each other, so that a bad cable does not look like an absent host.
    this.a.ipv4.neighbours.get(ends[0])?.learn(B, ends[1].mac);
    this.b.ipv4.neighbours.get(ends[1])?.learn(A, ends[0].mac);
  }

  /** Runs until `done`, or nothing is left to happen, or `limitNs` of the test's time have gone. */
  run(done: () => boolean = () => false, limitNs = 600e9): void {
    const end = this.host.now + limitNs;
    for (;;) {
      while (this.directions[0].arrive() || this.directions[1].arrive());
      if (done()) return;
      const next = Math.min(
        this.a.nextDeadlineNs(),
        this.b.nextDeadlineNs(),
        ...this.directions.map(({ flying }) => flying[0]?.at ?? Infinity),
      );
      if (next > end) return;
      this.host.now = Math.max(this.host.now, next);
      this.a.tick();
      this.b.tick();
    }
  }
}

export const A = 0x0a000001;
export const B = 0x0a000002;

/** Bytes that show where they belong. */
export function pattern(length: number, seed = 0): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at++) bytes[at] = Math.imul(at + seed, 2654435761) >>> 24;
  return bytes;
}
