import { type BackendHost, BlkBack, type BlkBackMetrics, type BlockObserver } from '@domu/backends';
import { createVbdNodes, type DevicePaths, removeDeviceNodes } from '@domu/toolstack';
import type { XenStore } from '@domu/xenstore/server';
import type { PlannedDisk } from './guest-plan.ts';

/** What the disks of a guest need. */
export interface GuestDisksParts {
  readonly host: BackendHost;
  readonly store: XenStore;
  readonly domid: number;
  /**
   * Whether to offer persistent grants. They make the guest copy all data: that costs an emulated processor more than the
   * host saves by mapping less (Linux read 30 % faster without), and a kernel in TypeScript nothing.
   */
  readonly persistentGrants: boolean;
  /** Makes who watches the requests of a disk. @param vdev "xvda" */
  readonly observer: (vdev: string) => BlockObserver;
  /** Tells the user that a disk's file fails; once for each disk. */
  readonly tell: (text: string) => void;
}

interface Plugged {
  readonly blkback: BlkBack;
  readonly paths: DevicePaths;
  readonly disk: PlannedDisk;
}

/** The disks of one running guest: those of its start and those that come and go later. The stores' owner closes them. */
export class GuestDisks {
  readonly #parts: GuestDisksParts;
  readonly #plugged: Map<number, Plugged> = new Map();

  constructor(parts: GuestDisksParts) {
    this.#parts = parts;
  }

  /** The disks that are plugged, and what their counters count. */
  *metrics(): Generator<{ readonly vdev: string; readonly counts: Readonly<BlkBackMetrics> }> {
    for (const { disk, blkback } of this.#plugged.values())
      yield { vdev: disk.spec.vdev, counts: blkback.metrics };
  }

  /** The disk of this number, if it is plugged. */
  blkback(devid: number): BlkBack | undefined {
    return this.#plugged.get(devid)?.blkback;
  }

  /** Plugs a disk in. @returns false when its number is in use */
  plug(disk: PlannedDisk): boolean {
    const { spec, store: image } = disk;
    const { host, store, domid, persistentGrants, observer, tell } = this.#parts;
    if (this.#plugged.has(spec.devid)) return false;
    const paths = createVbdNodes(store, domid, spec);
    const blkback = new BlkBack({
      host,
      store,
      path: paths.backend,
      disk: image,
      cdrom: spec.cdrom,
      removable: spec.cdrom,
      observer: observer(spec.vdev),
      features: { persistent: persistentGrants },
      onHostError: (error) =>
        tell(
          `disk ${spec.vdev}: ${spec.target} fails, and the guest is told so: ${error?.message ?? 'unknown'}`,
        ),
    });
    this.#plugged.set(spec.devid, { blkback, paths, disk });
    return true;
  }

  /**
   * Has the guest let go of a disk and removes it then. A guest that does not is not hurried.
   * @param done called when it is gone
   * @returns false when there is no such disk
   */
  unplug(devid: number, done: (disk: PlannedDisk) => void): boolean {
    const plugged = this.#plugged.get(devid);
    plugged?.blkback.unplug(() => {
      if (!this.#plugged.delete(devid)) return;
      removeDeviceNodes(this.#parts.store, plugged.paths);
      done(plugged.disk);
    });
    return plugged !== undefined;
  }

  /** Ends all of them, with their guest. */
  close(): void {
    for (const { blkback } of this.#plugged.values()) blkback.close();
    this.#plugged.clear();
  }
}
