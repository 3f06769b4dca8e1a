import { XEN_EINVAL, XEN_ENOSYS } from '@domu/xen-abi';
import type { PortDelivery } from './delivery.ts';
import type { EventChannels } from './event-channels.ts';

/** A port of the host domain that a backend holds. */
export interface HostPort {
  readonly port: number;
  /** Sends an event to the other side. @returns 0, or -errno once the port has been closed */
  notify(): number;
  /** Closes the port; an event that was queued for the handler is dropped. Closing twice does nothing. */
  close(): void;
}

const NR_PORTS_HOST = 4096;

/**
 * Delivery for a domain that has no vCPU: each port calls a handler. Events are queued and run by `dispatch()`, so a handler
 * never runs inside a guest's hypercall; several events on one port before `dispatch()` make one call, as bits do.
 */
export class HostEvents implements PortDelivery {
  readonly nrPorts: number = NR_PORTS_HOST;
  private readonly handlers: Map<number, () => void> = new Map();
  private readonly queue: Set<number> = new Set();
  private readonly kick: () => void;

  /** @param kick called when the queue was empty and an event arrives; it must only schedule a `dispatch()` */
  constructor(kick: () => void) {
    this.kick = kick;
  }

  /** Whether `dispatch()` has work. */
  get hasPending(): boolean {
    return this.queue.size > 0;
  }

  bound(): void {}

  setPending(port: number): void {
    if (this.queue.has(port)) return;
    this.queue.add(port);
    if (this.queue.size === 1) this.kick();
  }

  clearPending(port: number): void {
    this.queue.delete(port);
  }

  unmask(): void {}

  isPending(port: number): boolean {
    return this.queue.has(port);
  }

  isMasked(): boolean {
    return false;
  }

  isBusy(): boolean {
    return false;
  }

  setPriority(): number {
    return -XEN_ENOSYS;
  }

  /**
   * Runs the handlers of the ports that were pending at the call, in the order of arrival. An event that a handler raises
   * waits for the next call. @returns the number of handlers run
   */
  dispatch(): number {
    let ran = 0;
    for (const port of [...this.queue]) {
      if (!this.queue.delete(port)) continue;
      const handler = this.handlers.get(port);
      if (handler === undefined) continue;
      handler();
      ran++;
    }
    return ran;
  }

  /**
   * Binds a new port of the host domain to a domain's unbound port. The new port is pending at once, so `handler` runs at
   * the next `dispatch()`: events sent before the binding were dropped, and the handler must look at its ring.
   * @param channels the host domain's table, whose delivery is this object
   * @returns the port, or -errno as `EventChannels.bindInterdomain` gives it
   */
  bind(
    channels: EventChannels,
    remote: { readonly domid: number; readonly port: number },
    handler: () => void,
  ): HostPort | number {
    const port = channels.bindInterdomain(remote.domid, remote.port);
    if (port < 0) return port;
    this.handlers.set(port, handler);
    let open = true;
    return {
      port,
      notify: () => (open ? channels.send(port) : -XEN_EINVAL),
      close: () => {
        if (!open) return;
        open = false;
        this.handlers.delete(port);
        channels.close(port);
      },
    };
  }
}
