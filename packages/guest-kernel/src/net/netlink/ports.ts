/** Addresses of netlink sockets: the first of a process has the process's number, the others have some that no process has. */
export class NetlinkPorts {
  readonly #taken: Set<number> = new Set();
  #next = 0xffff_f000;

  /** @param wanted 0: any. @returns the address, or 0 when the one that was wanted is taken */
  take(wanted: number, pid: number): number {
    let port = wanted === 0 ? pid : wanted;
    if (this.#taken.has(port) && wanted !== 0) return 0;
    while (this.#taken.has(port)) port = this.#next--;
    this.#taken.add(port);
    return port;
  }

  give(port: number): void {
    this.#taken.delete(port);
  }
}
