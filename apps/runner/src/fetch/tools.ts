import { spawn } from 'node:child_process';
import { UserError } from '../user-error.ts';

const MAX_OUTPUT = 1 << 24;
/** Descriptor on which apt says how far it is. */
const STATUS_FD = 3;
/** Administrators' tools are not on an ordinary user's path. */
const SBIN = '/usr/local/sbin:/usr/sbin:/sbin';

/** What came of a program. */
export interface ToolResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ToolOptions {
  /** Called with each line that the program writes to descriptor 3. */
  readonly onStatus?: (line: string) => void;
  /** Ends the program. */
  readonly signal?: AbortSignal;
}

/**
 * Runs a program of the system to its end.
 * Errors: UserError when it is not there, with what to do; or when `signal` has ended it
 */
export function runTool(
  command: string,
  args: readonly string[],
  options: ToolOptions = {},
): Promise<ToolResult> {
  return new Promise((resolve, reject) => {
    const env = { ...process.env, LC_ALL: 'C', PATH: `${process.env.PATH ?? ''}:${SBIN}` };
    const child = spawn(command, args, {
      env,
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
      signal: options.signal,
    });
    const said = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const)
      child[name]?.setEncoding('utf8').on('data', (text: string) => {
        said[name] = (said[name] + text).slice(-MAX_OUTPUT);
      });
    let rest = '';
    const status = child.stdio[STATUS_FD];
    status?.on('data', (bytes: Buffer) => {
      const lines = (rest + bytes.toString('utf8')).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) options.onStatus?.(line);
    });
    child.on('error', (error: NodeJS.ErrnoException) => {
      if (error.name === 'AbortError') return reject(new UserError('interrupted; run it again to go on'));
      const reason = error.code === 'ENOENT' ? 'is not there' : `cannot be started (${error.code})`;
      reject(new UserError(`${command} ${reason}; ${HELP[command] ?? 'install it'}`));
    });
    child.on('close', (code) => resolve({ status: code ?? -1, ...said }));
  });
}

const HELP: Readonly<Record<string, string>> = {
  'apt-get':
    'domu fetch needs apt of Debian or Ubuntu: run it there and copy what it makes, or see docs/GUESTS.md for other ways',
  'dpkg-deb': 'it is in the package dpkg',
  mke2fs: 'it is in the package e2fsprogs',
};
