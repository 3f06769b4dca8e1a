/** The devices of major number 1: null, zero, full, random, urandom, kmsg. Source: mem(4), null(4), full(4), random(4). */
import { toByteString } from '../abi/bytes.ts';
import { E } from '../abi/errno.ts';
import type { Op } from '../task/wait.ts';
import type { DeviceTable } from './devices.ts';
import { BaseHandle } from './file-handle.ts';
import type { FileHandle, Inode } from './types.ts';

/** What the devices need of the kernel. */
export interface MemoryDeviceHost {
  random(into: Uint8Array): void;
  /** A line written to /dev/kmsg. */
  log(text: string): void;
  /** The kernel's messages, oldest first, as /dev/kmsg tells them: "prio,seq,usec,-;text\n". */
  records(): readonly string[];
}

/** A device that reads and writes in one step, without a position. */
class SimpleDevice extends BaseHandle {
  readonly kind = 'character';
  readonly #read: (into: Uint8Array) => number;
  readonly #write: (from: Uint8Array) => number;

  constructor(
    inode: Inode,
    flags: number,
    read: (into: Uint8Array) => number,
    write: (from: Uint8Array) => number,
  ) {
    super(inode, flags);
    this.#read = read;
    this.#write = write;
  }

  override *read(into: Uint8Array): Op<number> {
    return this.#read(into);
  }

  override *write(from: Uint8Array): Op<number> {
    return this.#write(from);
  }

  *seek(): Op<number> {
    return 0;
  }
}

/** /dev/kmsg for reading: one record at a time. */
class MessageReader extends SimpleDevice {
  #next = 0;

  constructor(inode: Inode, flags: number, host: MemoryDeviceHost) {
    super(
      inode,
      flags,
      (into) => {
        const record = host.records()[this.#next];
        if (record === undefined) return -E.AGAIN;
        if (record.length > into.length) return -E.INVAL;
        this.#next++;
        for (let at = 0; at < record.length; at++) into[at] = record.charCodeAt(at);
        return record.length;
      },
      (from) => {
        host.log(toByteString(from.subarray(0, 1024)).replace(/\n$/, ''));
        return from.length;
      },
    );
  }
}

export function addMemoryDevices(devices: DeviceTable, host: MemoryDeviceHost): void {
  const fill = (into: Uint8Array) => {
    into.fill(0);
    return into.length;
  };
  const random = (into: Uint8Array) => {
    host.random(into);
    return into.length;
  };
  const accept = (from: Uint8Array) => from.length;
  const add = (
    minor: number,
    read: (into: Uint8Array) => number,
    write: (from: Uint8Array) => number,
  ): void => {
    devices.addCharacter(1, minor, function* (inode, flags): Op<FileHandle> {
      return new SimpleDevice(inode, flags, read, write);
    });
  };
  add(3, () => 0, accept);
  add(5, fill, accept);
  add(7, fill, () => -E.NOSPC);
  add(8, random, accept);
  add(9, random, accept);
  devices.addCharacter(1, 11, function* (inode, flags): Op<FileHandle> {
    return new MessageReader(inode, flags, host);
  });
}
