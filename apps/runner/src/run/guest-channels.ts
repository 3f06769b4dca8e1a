import { closeSync, existsSync, writeSync } from 'node:fs';
import { type BackendHost, ConsoleDevice, type ConsoleSink } from '@domu/backends';
import { SocketConsole } from '@domu/backends/node';
import { type ChannelSpec, createChannelNodes, type Setting } from '@domu/toolstack';
import type { XenStore } from '@domu/xenstore/server';
import { UserError } from '../user-error.ts';
import { openOutput } from './files.ts';

/** A channel whose end at the host is there or can be made. */
export interface ChannelPlan {
  readonly spec: ChannelSpec;
  /** The open file of `connection=file`. */
  readonly fd: number | null;
}

/** What the channels of a guest need. */
export interface GuestChannelsParts {
  readonly host: BackendHost;
  readonly store: XenStore;
  readonly domid: number;
  readonly tell: (text: string) => void;
}

/** Opens the files of channels and looks whether sockets can be made. Errors: UserError */
export function planChannels(channels: readonly Setting<ChannelSpec>[]): ChannelPlan[] {
  return channels.map(({ value: spec, where }) => {
    if (spec.connection === 'socket' && existsSync(spec.path))
      throw new UserError(`${where}: ${spec.path} exists; expected a path for a new socket`);
    return { spec, fd: spec.connection === 'file' ? openOutput(spec.path, where) : null };
  });
}

/** Closes what `planChannels` has opened. */
export function closeChannels(plans: readonly ChannelPlan[]): void {
  for (const { fd } of plans) if (fd !== null) closeSync(fd);
}

/** The consoles of one running guest beside its first. */
export class GuestChannels {
  readonly #devices: ConsoleDevice[] = [];
  readonly #sockets: SocketConsole[] = [];

  constructor(parts: GuestChannelsParts, plans: readonly ChannelPlan[]) {
    const { host, store, domid } = parts;
    for (const [i, { spec, fd }] of plans.entries()) {
      const { backend: path } = createChannelNodes(store, domid, { devid: i + 1, spec });
      const sink = fd === null ? this.#socket(spec, i, parts.tell) : fileSink(fd);
      this.#devices.push(new ConsoleDevice({ host, store, path, sink }));
    }
  }

  /** Whether somebody may wake the guest through one of them. */
  get canBeWoken(): boolean {
    return this.#sockets.length > 0;
  }

  close(): void {
    for (const device of this.#devices) device.close();
    for (const socket of this.#sockets) socket.close();
  }

  #socket({ path }: ChannelSpec, index: number, tell: (text: string) => void): SocketConsole {
    const socket = new SocketConsole({
      path,
      input: (bytes) => this.#devices[index].input(bytes),
      resume: () => this.#devices[index].resume(),
      tell: (text) => tell(`channel ${text}`),
    });
    this.#sockets.push(socket);
    return socket;
  }
}

function fileSink(fd: number): ConsoleSink {
  return {
    write(bytes) {
      for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
      return true;
    },
  };
}
