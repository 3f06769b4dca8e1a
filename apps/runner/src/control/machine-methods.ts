import { openSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import { XenStoreUsageError } from '@domu/xenstore/server';
import type { XenHost } from '../run/xen-host.ts';
import { type Hello, PROTOCOL_VERSION } from './protocol.ts';
import { type ControlClientHandle, ControlError, type ControlMethod } from './server.ts';
import { machineStats } from './stats.ts';

/** Most nodes of an `xenstore.ls`. */
const MAX_NODES = 100_000;

type Params = Readonly<Record<string, unknown>>;

/** A node of XenStore and what is below it. */
export interface StoreNode {
  readonly name: string;
  readonly value: string;
  readonly children: readonly StoreNode[];
}

/**
 * What can be asked of a running machine. Nothing but `xenstore.write` and `xenstore.rm` changes anything that a guest can see.
 * @param wake called when the machine has something to do
 */
export function machineMethods(host: XenHost, wake: () => void): Record<string, ControlMethod> {
  return {
    hello: (): Hello => ({
      protocol: PROTOCOL_VERSION,
      pid: process.pid,
      guests: [...host.guests].map(({ domain }) => ({ domid: domain.id, name: domain.name })),
    }),
    stats: () => machineStats(host),
    dmesg: ({ follow }, client) => {
      if (follow === true) {
        const follower = (line: unknown): void => client.send(line);
        host.log.followers.add(follower);
        client.onClose(() => host.log.followers.delete(follower));
      }
      return host.log.lines;
    },
    ...storeMethods(host, wake),
    ...traceMethods(host),
  };
}

function storeMethods({ store }: XenHost, wake: () => void): Record<string, ControlMethod> {
  const read = (path: string): string | null => escaped(store.readBytes(path));
  const nodeAt = (path: string, name: string, budget: { left: number }): StoreNode => {
    if (budget.left-- <= 0) throw new ControlError(`more than ${MAX_NODES} nodes; ask for a smaller part`);
    const below = store.directory(path) ?? [];
    const children = below.map((child) =>
      nodeAt(path === '/' ? `/${child}` : `${path}/${child}`, child, budget),
    );
    return { name, value: read(path) ?? '', children };
  };
  return {
    'xenstore.ls': (params) =>
      refusing(() => {
        const path = text(params, 'path');
        if (store.directory(path) === null) throw new ControlError(`ENOENT: there is no ${path}`);
        return nodeAt(path, path, { left: MAX_NODES });
      }),
    'xenstore.read': (params) =>
      refusing(() => {
        const path = text(params, 'path');
        const value = read(path);
        if (value === null) throw new ControlError(`ENOENT: there is no ${path}`);
        return value;
      }),
    'xenstore.write': (params) =>
      refusing(() => {
        store.write(text(params, 'path'), text(params, 'value'));
        wake();
      }),
    'xenstore.rm': (params) =>
      refusing(() => {
        store.rm(text(params, 'path'));
        wake();
      }),
    'xenstore.watch': (params, client: ControlClientHandle) =>
      refusing(() => {
        const path = text(params, 'path');
        // What it holds now is read once the change is complete.
        const tell = (at: string): void =>
          queueMicrotask(() => client.send({ path: at, value: at.startsWith('@') ? null : read(at) }));
        client.onClose(store.observe(path, tell));
        tell(path);
      }),
  };
}

function traceMethods({ tracing }: XenHost): Record<string, ControlMethod> {
  return {
    'trace.start': (params, client) => {
      const file = text(params, 'file');
      if (!isAbsolute(file)) throw new ControlError('the name of the file has to be absolute');
      if (tracing.on) throw new ControlError('the machine is being traced already');
      try {
        client.onClose(tracing.start(openSync(file, 'w')));
      } catch (error) {
        throw new ControlError(error instanceof Error ? error.message : String(error));
      }
    },
    'trace.stop': () => tracing.stop(),
  };
}

function text(params: Params, name: string): string {
  const value = params[name];
  if (typeof value !== 'string') throw new ControlError(`${name} is not a string`);
  return value;
}

/** XenStore refuses what it is asked wrongly by throwing: here that is the client's doing. */
function refusing<T>(action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (error instanceof XenStoreUsageError) throw new ControlError(error.message);
    throw error;
  }
}

/** A node's value as text: bytes that are none are written as \xHH, as xenstore-ls does. */
function escaped(bytes: Uint8Array | null): string | null {
  if (bytes === null) return null;
  return Array.from(bytes, (byte) =>
    byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`,
  ).join('');
}
