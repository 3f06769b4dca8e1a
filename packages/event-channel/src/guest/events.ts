import { type GuestPort, type LinearAddr, VcpuInfo, XEN_EINVAL } from '@domu/xen-abi';
import type { GuestDelivery } from './delivery.ts';
import type { EventPorts } from './ports.ts';
import type { EventPages } from './two-level.ts';

/** A bound port with its handler. */
export interface GuestEventPort {
  readonly port: number;
  /** Sends an event to the other side. @returns 0, or -errno once the port has been closed */
  notify(): number;
  /** Closes the port; an event that is pending is dropped. Closing twice does nothing. */
  close(): void;
}

/** How often one upcall looks for more before it lets the kernel go on; the upcall then stays pending. */
const MAX_ROUNDS = 16;

/**
 * A kernel's event handlers. The kernel's event callback calls `upcall`; handlers run inside of it.
 * Invariants: a port without a handler is masked · a handler is called only for its own port, and not once it is closed
 */
export class GuestEvents {
  readonly ports: EventPorts;
  /** Events on ports without a handler. */
  strays = 0;
  private readonly guest: GuestPort;
  private readonly pages: EventPages;
  private readonly handlers: Map<number, () => void> = new Map();
  private delivery: GuestDelivery;

  constructor(
    guest: GuestPort,
    parts: { readonly ports: EventPorts; readonly delivery: GuestDelivery; readonly pages: EventPages },
  ) {
    this.guest = guest;
    this.ports = parts.ports;
    this.delivery = parts.delivery;
    this.pages = parts.pages;
  }

  /** Uses another ABI from now on. Preconditions: no port is bound yet */
  useDelivery(delivery: GuestDelivery): void {
    this.delivery = delivery;
  }

  /** A port that `remoteDomid` may bind to. @returns the port, or -errno */
  allocUnbound(remoteDomid: number, handler: () => void): GuestEventPort | number {
    return this.attach(this.ports.allocUnbound(remoteDomid), 0, handler);
  }

  /** @returns the port, or -errno */
  bindInterdomain(
    remote: { readonly domid: number; readonly port: number },
    handler: () => void,
  ): GuestEventPort | number {
    return this.attach(this.ports.bindInterdomain(remote.domid, remote.port), 0, handler);
  }

  /** @returns the port, or -errno */
  bindVirq(virq: number, vcpu: number, handler: () => void): GuestEventPort | number {
    return this.attach(this.ports.bindVirq(virq, vcpu), vcpu, handler);
  }

  /** A port whose `notify` reaches `vcpu` of this domain. @returns the port, or -errno */
  bindIpi(vcpu: number, handler: () => void): GuestEventPort | number {
    return this.attach(this.ports.bindIpi(vcpu), vcpu, handler);
  }

  /** Takes over a port of vcpu 0 that is bound already, as those that the toolstack made for console and store. @returns the port, or -errno */
  adopt(port: number, handler: () => void): GuestEventPort | number {
    return this.attach(port, 0, handler);
  }

  /**
   * Handles what is pending for `vcpu`. To be called from the event callback with upcalls masked.
   * @returns number of events handled
   */
  upcall(vcpu: number): number {
    const pendingAt = (this.pages.vcpuInfo(vcpu) + VcpuInfo.evtchn_upcall_pending.offset) as LinearAddr;
    let handled = 0;
    for (let round = 0; round < MAX_ROUNDS && this.guest.read8(pendingAt) > 0; round++) {
      // Cleared first: an event that comes after the scan has passed it sets it again.
      this.guest.write8(pendingAt, 0);
      handled += this.delivery.scan(vcpu, (port) => this.dispatch(port));
    }
    return handled;
  }

  private attach(port: number, vcpu: number, handler: () => void): GuestEventPort | number {
    if (port < 0) return port;
    const rc = this.delivery.prepare(port, vcpu);
    if (rc !== 0) {
      this.ports.close(port);
      return rc;
    }
    // A function of its own: the same handler may be bound to the same number again later.
    const entry = (): void => handler();
    this.handlers.set(port, entry);
    this.delivery.unmask(port);
    const open = (): boolean => this.handlers.get(port) === entry;
    return {
      port,
      notify: () => (open() ? this.ports.send(port) : -XEN_EINVAL),
      close: () => {
        if (!open()) return;
        this.handlers.delete(port);
        this.delivery.mask(port);
        this.ports.close(port);
      },
    };
  }

  private dispatch(port: number): void {
    const handler = this.handlers.get(port);
    if (handler !== undefined) return handler();
    this.strays++;
    this.delivery.mask(port);
  }
}
