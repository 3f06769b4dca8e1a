import { unlinkSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { UserError } from '../user-error.ts';
import { type ControlReply, type Hello, LineSplitter } from './protocol.ts';
import { runtimeDir, socketPaths } from './runtime-dir.ts';

const CONNECT_TIMEOUT_MS = 5_000;
/** A machine in the middle of a long slice answers late. */
const ANSWER_TIMEOUT_MS = 30_000;

interface Waiting {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly onEvent: (event: unknown) => void;
  answered: boolean;
}

/** A connection to a running machine. */
export class ControlClient {
  /** Resolves when the connection has ended, by `close` or with the machine. */
  readonly closed: Promise<void>;
  readonly #socket: Socket;
  readonly #waiting: Map<number, Waiting> = new Map();
  #nextId = 1;

  private constructor(socket: Socket) {
    this.#socket = socket;
    const lines = new LineSplitter((line) => this.#take(JSON.parse(line)));
    socket.on('data', (bytes: Buffer) => lines.push(bytes));
    socket.on('error', () => socket.destroy());
    this.closed = new Promise((resolve) => {
      socket.on('close', () => {
        for (const { answered, reject } of this.#waiting.values())
          if (!answered) reject(new UserError('the machine has ended'));
        resolve();
      });
    });
  }

  /** @returns null when nobody listens there any more. */
  static connect(path: string): Promise<ControlClient | null> {
    return new Promise((resolve) => {
      const socket = connect(path);
      const gone = (): void => {
        socket.destroy();
        resolve(null);
      };
      socket.setTimeout(CONNECT_TIMEOUT_MS, gone);
      socket.once('error', (error: NodeJS.ErrnoException) => {
        if (error.code === 'ECONNREFUSED') removeStale(path);
        gone();
      });
      socket.once('connect', () => {
        socket.setTimeout(0);
        socket.removeAllListeners('error');
        resolve(new ControlClient(socket));
      });
    });
  }

  /**
   * Asks for something. Errors: UserError with what the machine answers, or when it has ended
   * @param onEvent called for what comes after the answer
   */
  request(
    method: string,
    params: Readonly<Record<string, unknown>> = {},
    onEvent: (event: unknown) => void = () => {},
  ): Promise<unknown> {
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new UserError(`the machine has not answered within ${ANSWER_TIMEOUT_MS / 1000} s`)),
        ANSWER_TIMEOUT_MS,
      );
      const settle =
        <T>(then: (value: T) => void) =>
        (value: T): void => {
          clearTimeout(timer);
          then(value);
        };
      this.#waiting.set(id, { resolve: settle(resolve), reject: settle(reject), onEvent, answered: false });
      this.#socket.write(`${JSON.stringify({ id, method, params })}\n`);
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(reply: ControlReply): void {
    const waiting = this.#waiting.get(reply.id);
    if (waiting === undefined) return;
    if ('event' in reply) return waiting.onEvent(reply.event);
    waiting.answered = true;
    if ('error' in reply) waiting.reject(new UserError(reply.error));
    else waiting.resolve(reply.result);
  }
}

/** A machine that runs now. */
export interface RunningMachine {
  readonly client: ControlClient;
  readonly hello: Hello;
}

/** All machines of this user. Sockets that machines have left behind are removed. */
export async function runningMachines(dir: string = runtimeDir()): Promise<RunningMachine[]> {
  const clients = await Promise.all(socketPaths(dir).map((path) => ControlClient.connect(path)));
  const machines: RunningMachine[] = [];
  for (const client of clients) {
    if (client === null) continue;
    try {
      machines.push({ client, hello: (await client.request('hello')) as Hello });
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      client.close();
    }
  }
  return machines;
}

/** "4711 (debian, server)". */
export function machineText({ pid, guests }: Hello): string {
  return `${pid} (${guests.map(({ name }) => name).join(', ')})`;
}

/**
 * Finds the machine that is meant.
 * @param which a process or the name of a guest; null: the only one there is
 * Errors: UserError when there is none, or more than one
 */
export async function findMachine(which: string | null): Promise<RunningMachine> {
  const machines = await runningMachines();
  const meant = machines.filter(
    ({ hello: { pid, guests } }) =>
      which === null || String(pid) === which || guests.some(({ name }) => name === which),
  );
  for (const machine of machines) if (!meant.includes(machine) || meant.length > 1) machine.client.close();
  const [machine, second] = meant;
  if (machine !== undefined && second === undefined) return machine;
  const list = (found: readonly RunningMachine[]): string =>
    found.map(({ hello }) => machineText(hello)).join('; ');
  if (machine !== undefined)
    throw new UserError(`several machines run: ${list(meant)}; name one with --name`);
  if (machines.length === 0) throw new UserError('no machine runs; start one with domu run');
  throw new UserError(`--name: no machine ${JSON.stringify(which)}; expected one of ${list(machines)}`);
}

function removeStale(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // Somebody else has removed it meanwhile.
  }
}
