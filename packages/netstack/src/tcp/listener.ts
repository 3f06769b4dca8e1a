import type { Ipv4Address } from '../wire/address.ts';
import type { TcpConnection } from './connection.ts';
import type { Tcb, TcpOptions } from './tcb.ts';

/** Where to listen. */
export interface ListenOptions {
  /** IPV4_ANY: any address of this host. */
  readonly address: Ipv4Address;
  readonly port: number;
  /** Connections, finished or in the making, that wait for `accept` at most. */
  readonly backlog: number;
  /** What its connections start with. */
  readonly options?: Partial<TcpOptions>;
  /** A connection can be accepted, or the last one that could is gone. */
  readonly onChange?: () => void;
}

/** A port that accepts connections. */
export class TcpListener {
  readonly address: Ipv4Address;
  readonly port: number;
  readonly options: Partial<TcpOptions>;
  backlog: number;
  readonly #onChange: (() => void) | undefined;
  readonly #ready: Map<Tcb, TcpConnection> = new Map();
  readonly #opening: Map<Tcb, TcpConnection> = new Map();
  readonly #closed: (listener: TcpListener) => void;

  /** Made by the layer. */
  constructor(listen: ListenOptions, closed: (listener: TcpListener) => void) {
    this.address = listen.address;
    this.port = listen.port;
    this.backlog = Math.max(1, listen.backlog);
    this.options = listen.options ?? {};
    this.#onChange = listen.onChange;
    this.#closed = closed;
  }

  /** Connections that `accept` would give. */
  get readyCount(): number {
    return this.#ready.size;
  }

  /** Whether a SYN may be answered. */
  get hasRoom(): boolean {
    return this.#opening.size + this.#ready.size < 2 * this.backlog && this.#ready.size < this.backlog;
  }

  /** @returns the oldest connection that is established, or was when it came; undefined if there is none */
  accept(): TcpConnection | undefined {
    const [first] = this.#ready;
    if (first === undefined) return undefined;
    const [tcb, connection] = first;
    this.#ready.delete(tcb);
    tcb.listener = null;
    return connection;
  }

  /** Stops listening; connections that nobody has accepted are reset. */
  close(): void {
    this.#closed(this);
    for (const connection of [...this.#ready.values(), ...this.#opening.values()]) connection.abort();
    this.#ready.clear();
    this.#opening.clear();
  }

  /** Takes in a connection that is being opened. */
  add(tcb: Tcb, connection: TcpConnection): void {
    tcb.listener = this;
    this.#opening.set(tcb, connection);
  }

  /** @returns false if there is no room now: the connection stays half-open */
  established(tcb: Tcb): boolean {
    const connection = this.#opening.get(tcb);
    if (connection === undefined || this.#ready.size >= this.backlog) return false;
    this.#opening.delete(tcb);
    this.#ready.set(tcb, connection);
    tcb.note('connected');
    return true;
  }

  /** A connection is gone before it was accepted. One that was established can still be accepted: it may hold data. */
  dropped(tcb: Tcb): void {
    this.#opening.delete(tcb);
    if (tcb.closeReason === 'aborted') this.#ready.delete(tcb);
  }

  /** Tells the owner of the listener. */
  changed(): void {
    this.#onChange?.();
  }
}
