/**
 * What `domu run` and the commands that look into it say to each other: lines of JSON over a Unix socket. A request has an
 * id of the client's choice; its answer has the same id and either `result` or `error`. Some requests go on after their
 * answer: each `event` has the id of its request, until the client closes the connection.
 */
export const PROTOCOL_VERSION = 1;

/** Longest line in either direction. */
export const MAX_LINE_BYTES: number = 1 << 20;

export interface ControlRequest {
  readonly id: number;
  readonly method: string;
  readonly params: Readonly<Record<string, unknown>>;
}

export type ControlReply =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: string }
  | { readonly id: number; readonly event: unknown };

/** The answer to `hello`. */
export interface Hello {
  readonly protocol: number;
  readonly pid: number;
  readonly guests: readonly { readonly domid: number; readonly name: string }[];
}

/** Cuts a stream of bytes into lines. */
export class LineSplitter {
  readonly #onLine: (line: string) => void;
  #rest: Buffer = Buffer.alloc(0);

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine;
  }

  /** @returns false when a line is longer than there may be */
  push(bytes: Buffer): boolean {
    let all = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    for (let end = all.indexOf(0x0a); end >= 0; end = all.indexOf(0x0a)) {
      this.#onLine(all.toString('utf8', 0, end));
      all = all.subarray(end + 1);
    }
    this.#rest = all;
    return all.length <= MAX_LINE_BYTES;
  }
}

/** @returns the request in a line, or what is wrong with it */
export function parseRequest(line: string): ControlRequest | string {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return 'not JSON';
  }
  if (typeof value !== 'object' || value === null) return 'not an object';
  const { id, method, params = {} } = value as Record<string, unknown>;
  if (typeof id !== 'number' || !Number.isSafeInteger(id)) return 'id is not an integer';
  if (typeof method !== 'string') return 'method is not a string';
  if (typeof params !== 'object' || params === null) return 'params is not an object';
  return { id, method, params: params as Record<string, unknown> };
}
