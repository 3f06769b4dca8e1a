import type { Tcb, TcpAddresses } from './tcb.ts';

/** Connections by their addresses. */
export class TcbTable implements Iterable<Tcb> {
  /** By remote address and port; those that have both in common are chained. */
  readonly #chains: Map<number, Tcb> = new Map();
  /** In the order of their making. */
  readonly #all: Set<Tcb> = new Set();

  get size(): number {
    return this.#all.size;
  }

  find({ localAddress, localPort, remoteAddress, remotePort }: TcpAddresses): Tcb | undefined {
    let tcb = this.#chains.get(remoteAddress * 0x10000 + remotePort);
    while (tcb !== undefined) {
      if (tcb.addresses.localPort === localPort && tcb.addresses.localAddress === localAddress) return tcb;
      tcb = tcb.chain;
    }
    return undefined;
  }

  add(tcb: Tcb): void {
    const key = keyOf(tcb);
    tcb.chain = this.#chains.get(key);
    this.#chains.set(key, tcb);
    this.#all.add(tcb);
  }

  remove(tcb: Tcb): void {
    if (!this.#all.delete(tcb)) return;
    const key = keyOf(tcb);
    let before = this.#chains.get(key);
    if (before === tcb) {
      if (tcb.chain === undefined) this.#chains.delete(key);
      else this.#chains.set(key, tcb.chain);
      return;
    }
    while (before !== undefined && before.chain !== tcb) before = before.chain;
    if (before !== undefined) before.chain = tcb.chain;
  }

  /** Gives up the oldest connection that only waits for old segments to die. @returns whether there was one */
  recycle(): boolean {
    for (const tcb of this.#all) {
      if (tcb.state !== 'TIME_WAIT') continue;
      tcb.destroy('done');
      return true;
    }
    return false;
  }

  [Symbol.iterator](): IterableIterator<Tcb> {
    return this.#all.values();
  }
}

const keyOf = ({ addresses }: Tcb): number => addresses.remoteAddress * 0x10000 + addresses.remotePort;
