import { BlkBack, type BlkBackOptions, type BlockStore } from '@domu/backends';
import { Blkfront, type BlkfrontLimits } from '@domu/blkfront';
import { BLKIF_RSP_OKAY } from '@domu/xen-abi';
import { GUEST, PvWorld } from './world.ts';

export const BACKEND = `/local/domain/0/backend/vbd/${GUEST}/51712`;
export const FRONTEND = `/local/domain/${GUEST}/device/vbd/51712`;

/** A guest's disk from end to end: blkfront, blkback, and what lies between. */
export class BlockWorld extends PvWorld {
  back: BlkBack | null = null;
  front: Blkfront | null = null;

  /** Does the toolstack's part: both directories, both at Initialising. */
  plug(): void {
    this.store.transaction((tx) => {
      tx.mkdir(FRONTEND);
      tx.setPerms(FRONTEND, [`n${GUEST}`, 'r0']);
      tx.write(`${FRONTEND}/backend`, BACKEND);
      tx.write(`${FRONTEND}/backend-id`, '0');
      tx.write(`${FRONTEND}/state`, '1');
      tx.mkdir(BACKEND);
      tx.setPerms(BACKEND, ['n0', `r${GUEST}`]);
      tx.write(`${BACKEND}/frontend`, FRONTEND);
      tx.write(`${BACKEND}/frontend-id`, `${GUEST}`);
      tx.write(`${BACKEND}/online`, '1');
      tx.write(`${BACKEND}/state`, '1');
    });
  }

  startBack(disk: BlockStore, options: Partial<BlkBackOptions> = {}): BlkBack {
    this.back = new BlkBack({ host: this.host, store: this.store, path: BACKEND, disk, ...options });
    return this.back;
  }

  startFront(limits: Partial<BlkfrontLimits> = {}, onChange?: () => void): Blkfront {
    const { guest, events, grants, client, pages } = this;
    const path = 'device/vbd/51712';
    this.front = new Blkfront({ guest, events, grants, store: client, pages, path, limits, onChange });
    return this.front;
  }

  backend(node: string): string | null {
    return this.store.read(`${BACKEND}/${node}`);
  }

  frontend(node: string): string | null {
    return this.store.read(`${FRONTEND}/${node}`);
  }

  /** Makes a request and lets both sides run. @returns its status */
  ask(request: (front: Blkfront, done: (status: number) => void) => void): number {
    const statuses: number[] = [];
    if (this.front === null) throw new Error('no frontend');
    request(this.front, (status) => statuses.push(status));
    this.settle();
    if (statuses.length !== 1) throw new Error(`done was called ${statuses.length} times`);
    return statuses[0];
  }

  read(sector: number, sectors: number): Uint8Array {
    const into = new Uint8Array(sectors * 512);
    const status = this.ask((front, done) => front.read(sector, into, done));
    if (status !== BLKIF_RSP_OKAY) throw new Error(`read of sector ${sector}: ${status}`);
    return into;
  }

  write(sector: number, from: Uint8Array): number {
    return this.ask((front, done) => front.write(sector, from, done));
  }

  /** What a device that is gone leaves: pages, ports and mappings in use. */
  get remains(): readonly number[] {
    return [this.nrPages, this.nrPorts, this.nrMapped, this.grants.nrLingering];
  }
}
