import type { Readable, Writable } from 'node:stream';

/** A terminal's or a pipe's input. */
export type Input = Readable & {
  readonly isTTY?: boolean;
  setRawMode?(raw: boolean): unknown;
  unref?(): unknown;
};
/** A terminal's or a pipe's output. */
export type Output = Writable & {
  readonly isTTY?: boolean;
  /** Size of a terminal in characters; it emits 'resize' when that changes. */
  readonly columns?: number;
  readonly rows?: number;
};

/** The process around the command, so that tests can run it inside theirs. */
export interface HostIo {
  readonly stdin: Input;
  readonly stdout: Output;
  readonly stderr: Output;
  /** Calls back on SIGINT, SIGTERM or SIGHUP. @returns stops that */
  onSignal(callback: (signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP') => void): () => void;
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** This process. */
export function processIo(): HostIo {
  return {
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    onSignal(callback) {
      const handlers = SIGNALS.map((signal) => [signal, () => callback(signal)] as const);
      for (const [signal, handler] of handlers) process.on(signal, handler);
      return () => {
        for (const [signal, handler] of handlers) process.off(signal, handler);
      };
    },
  };
}
