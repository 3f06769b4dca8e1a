import { createServer, type Server, type Socket } from 'node:net';
import type { ConsoleSink } from '@domu/backends';

/** Where a console's Unix socket is, and who takes what comes in. */
export interface SocketConsoleOptions {
  /** Where the Unix socket is to be; nothing may be there yet. */
  readonly path: string;
  /** Takes what the client says. @returns how many bytes were taken; the rest is offered again */
  readonly input: (bytes: Uint8Array) => number;
  /** The client has read what it was sent: output may go on. */
  readonly resume: () => void;
  /** Tells the user that there is no socket. */
  readonly tell: (text: string) => void;
}

const RETRY_MS = 20;

/**
 * A console's end at a Unix socket: one client at a time, further ones are turned away. Without a client output is dropped;
 * a client that does not read holds up the guest.
 */
export class SocketConsole implements ConsoleSink {
  readonly #options: SocketConsoleOptions;
  readonly #server: Server;
  #client: Socket | null = null;
  #retry: NodeJS.Timeout | null = null;

  constructor(options: SocketConsoleOptions) {
    this.#options = options;
    this.#server = createServer((socket) => this.#accept(socket));
    this.#server.on('error', (error) => options.tell(`${options.path}: ${error.message}`));
    this.#server.listen(options.path);
    this.#server.unref();
  }

  write(bytes: Uint8Array): boolean {
    return this.#client === null || this.#client.write(bytes);
  }

  /** Ends the client and removes the socket. */
  close(): void {
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#client?.destroy();
    this.#client = null;
    this.#server.close();
  }

  #accept(socket: Socket): void {
    if (this.#client !== null) {
      socket.destroy();
      return;
    }
    this.#client = socket;
    socket.on('data', (bytes) => this.#give(socket, bytes));
    socket.on('drain', () => this.#options.resume());
    // How a client goes does not matter; that it has gone is told by 'close'.
    socket.on('error', () => {});
    socket.on('close', () => {
      if (this.#client !== socket) return;
      this.#client = null;
      this.#options.resume();
    });
  }

  /** What the guest has no room for waits, and the client with it. */
  #give(socket: Socket, bytes: Uint8Array): void {
    const rest = bytes.subarray(this.#options.input(bytes));
    if (rest.length === 0) {
      socket.resume();
      return;
    }
    socket.pause();
    this.#retry = setTimeout(() => {
      if (this.#client === socket) this.#give(socket, rest);
    }, RETRY_MS);
  }
}
