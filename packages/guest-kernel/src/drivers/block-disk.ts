/** Xen's virtual disks as block devices of the kernel. */
import { Blkfront } from '@domu/blkfront';
import { BLKIF_RSP_EOPNOTSUPP, BLKIF_RSP_OKAY } from '@domu/xen-abi';
import { watchDevices } from '@domu/xenstore/client';
import { E } from '../abi/errno.ts';
import type { BlockDevice } from '../fs/types.ts';
import { type Op, WaitQueue } from '../task/wait.ts';
import type { Platform } from './platform.ts';

/** Starts a request; `done` gets its BLKIF_RSP_ status. */
type Start = (done: (status: number) => void) => void;

function* request(start: Start): Op<number> {
  let status: number | null = null;
  const queue = new WaitQueue();
  start((result) => {
    status = result;
    queue.wakeAll();
  });
  while (status === null) yield { queues: [queue], interruptible: false };
  if (status === BLKIF_RSP_OKAY) return 0;
  return status === BLKIF_RSP_EOPNOTSUPP ? -E.OPNOTSUPP : -E.IO;
}

/** A disk in sectors of 512 bytes; smaller or unaligned requests on a disk of larger sectors go through whole ones. */
export class BlockDisk implements BlockDevice {
  readonly #front: Blkfront;

  constructor(front: Blkfront) {
    this.#front = front;
  }

  get sectors(): number {
    return this.#front.disk?.sectors ?? 0;
  }

  get readonly(): boolean {
    return this.#front.disk?.readonly ?? true;
  }

  read(sector: number, into: Uint8Array): Op<number> {
    return request((done) => this.#front.read(sector, into, done));
  }

  write(sector: number, from: Uint8Array): Op<number> {
    return request((done) => this.#front.write(sector, from, done));
  }

  flush(): Op<number> {
    return request((done) => this.#front.flush(done));
  }

  discard(sector: number, count: number): Op<number> {
    return request((done) => this.#front.discard(sector, count, { secure: false }, done));
  }
}

const VBD_MAJOR = 202;
const EXTENDED = 1 << 28;

/** Name of a virtual disk by its number. Source: docs/man/xen-vbd-interface.7. */
export function diskName(vdev: number): string | null {
  if (vdev & EXTENDED) return named((vdev >>> 8) & 0xf_ffff, vdev & 0xff);
  if (vdev >>> 8 === VBD_MAJOR) return named((vdev >>> 4) & 15, vdev & 15);
  return null;
}

function named(disk: number, partition: number): string {
  let letters = '';
  for (let n = disk; n >= 0; n = Math.floor(n / 26) - 1)
    letters = String.fromCharCode(97 + (n % 26)) + letters;
  return `xvd${letters}${partition === 0 ? '' : partition}`;
}

export interface DiskEvents {
  /** The disk is connected and can be used. */
  appeared(name: string, disk: BlockDisk): void;
  /** The disk is gone for good. */
  vanished(name: string): void;
}

/** Connects to every virtual disk that there is or will be. */
export function watchDisks(platform: Platform, listener: DiskEvents): void {
  const known = new Map<string, Blkfront>();
  const shown = new Set<string>();
  watchDevices(platform.store, 'vbd', {
    appeared: (path) => {
      const name = diskName(Number(path.slice(path.lastIndexOf('/') + 1)));
      if (name === null || known.has(path)) return;
      const front: Blkfront = new Blkfront({
        ...platform,
        path,
        onChange: () => {
          const current = known.get(path);
          if (current === undefined) return;
          if (current.disk !== null && !shown.has(name)) {
            shown.add(name);
            listener.appeared(name, new BlockDisk(current));
          } else if (current.endedBecause !== null && shown.delete(name)) listener.vanished(name);
        },
      });
      known.set(path, front);
    },
    vanished: (path) => void known.delete(path),
  });
}
