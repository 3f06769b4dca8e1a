import { unlinkSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { type ControlReply, LineSplitter, parseRequest } from './protocol.ts';
import { makeRuntimeDir, socketPath } from './runtime-dir.ts';

const MAX_CONNECTIONS = 16;
/** Output that waits for its reader: with more of it the connection ends. */
const FAR_BEHIND_BYTES = 4 << 20;
/** Machines of one process; more are in tests only. */
const MAX_MACHINES = 64;

/** What a request does. It throws a ControlError for what the client did wrong. */
export type ControlMethod = (
  params: Readonly<Record<string, unknown>>,
  client: ControlClientHandle,
) => unknown;

/** A client whose request is being answered. */
export interface ControlClientHandle {
  /** Sends an event of this request. */
  send(event: unknown): void;
  /** Called when the connection ends. */
  onClose(callback: () => void): void;
}

/** The client asked for something that cannot be. */
export class ControlError extends Error {
  override readonly name = 'ControlError';
}

/**
 * Answers requests on a socket, between the slices of a machine: everything happens in the event loop, so a method sees
 * the machine at rest. It keeps neither the process nor the machine awake.
 */
export class ControlServer {
  readonly #server: Server;
  readonly #methods: ReadonlyMap<string, ControlMethod>;
  readonly #sockets: Set<Socket> = new Set();
  #path: string | null = null;

  constructor(methods: Readonly<Record<string, ControlMethod>>) {
    this.#methods = new Map(Object.entries(methods));
    this.#server = createServer((socket) => this.#accept(socket));
    this.#server.unref();
  }

  /** Where it listens, or null. */
  get path(): string | null {
    return this.#path;
  }

  /** Listens in a folder. @returns null, or why there will be no socket */
  async listen(dir: string): Promise<string | null> {
    const problem = makeRuntimeDir(dir);
    if (problem !== null) return problem;
    for (let n = 0; n < MAX_MACHINES; n++) {
      const path = socketPath(dir, process.pid, n);
      const error = await this.#tryListen(path);
      if (error === null) {
        this.#path = path;
        return null;
      }
      if (error.code !== 'EADDRINUSE') return error.message;
    }
    return `more than ${MAX_MACHINES} sockets of this process in ${dir}`;
  }

  /** Ends all connections and removes the socket. */
  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    if (this.#path === null) return;
    try {
      unlinkSync(this.#path);
    } catch {
      // Closing the server has removed it already.
    }
    this.#path = null;
  }

  #tryListen(path: string): Promise<NodeJS.ErrnoException | null> {
    return new Promise((resolve) => {
      const failed = (error: NodeJS.ErrnoException): void => resolve(error);
      this.#server.once('error', failed);
      this.#server.listen(path, () => {
        this.#server.off('error', failed);
        resolve(null);
      });
    });
  }

  #accept(socket: Socket): void {
    socket.unref();
    if (this.#sockets.size >= MAX_CONNECTIONS) {
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    const lines = new LineSplitter((line) => this.#answer(socket, line));
    socket.on('data', (bytes: Buffer) => {
      if (!lines.push(bytes)) socket.destroy();
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#sockets.delete(socket));
  }

  #answer(socket: Socket, line: string): void {
    const request = parseRequest(line);
    if (typeof request === 'string') return reply(socket, { id: 0, error: `not a request: ${request}` });
    const { id, method, params } = request;
    const run = this.#methods.get(method);
    if (run === undefined)
      return reply(socket, { id, error: `there is no method ${JSON.stringify(method)}` });
    try {
      const result = run(params, {
        send: (event) => reply(socket, { id, event }),
        onClose: (callback) => socket.once('close', callback),
      });
      reply(socket, { id, result: result ?? null });
    } catch (error) {
      if (!(error instanceof ControlError)) throw error;
      reply(socket, { id, error: error.message });
    }
  }
}

function reply(socket: Socket, message: ControlReply): void {
  if (socket.destroyed) return;
  socket.write(`${JSON.stringify(message)}\n`);
  if (socket.writableLength > FAR_BEHIND_BYTES) socket.destroy();
}
