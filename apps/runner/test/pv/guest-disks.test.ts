import { type DiskImage, MemoryBlockStore } from '@domu/backends';
import { Blkfront } from '@domu/blkfront';
import { parseDisk } from '@domu/toolstack';
import { watchDevices } from '@domu/xenstore/client';
import { beforeEach, expect, test } from 'vitest';
import { GuestDisks } from '../../src/run/guest-disks.ts';
import type { PlannedDisk } from '../../src/run/guest-plan.ts';
import { DeviceTracks, DiskTracer } from '../../src/trace/device-tracer.ts';
import { GUEST, PvWorld } from './world.ts';

let world: PvWorld;
let disks: GuestDisks;
let told: string[];
/** The guest's disks by path. */
let fronts: Map<string, Blkfront>;

function planned(
  spec: string,
  sectors: number,
): PlannedDisk & { readonly store: DiskImage & { failing: boolean } } {
  const parsed = parseDisk(spec);
  if (!parsed.ok) throw new Error(parsed.error);
  const store = new (class extends MemoryBlockStore {
    failing = false;
    readonly lastError = new Error('EIO');
    override read(sector: number, into: Uint8Array): boolean {
      return !this.failing && super.read(sector, into);
    }
  })(new Uint8Array(sectors * 512), { readonly: parsed.value.readonly });
  return { spec: parsed.value, store };
}

beforeEach(() => {
  world = new PvWorld();
  told = [];
  fronts = new Map();
  const { host, store, guest, events, grants, client, pages } = world;
  disks = new GuestDisks({
    host,
    store,
    domid: GUEST,
    persistentGrants: true,
    observer: (vdev) => new DiskTracer(new DeviceTracks(), vdev),
    tell: (text) => told.push(text),
  });
  watchDevices(client, 'vbd', {
    appeared: (path) =>
      fronts.set(path, new Blkfront({ guest, events, grants, store: client, pages, path, limits: {} })),
    vanished: (path) => fronts.delete(path),
  });
});

const sizes = (): [string, number | undefined][] =>
  [...fronts].map(([path, { disk }]) => [path, disk?.sectors]);

test('disks that are there at the start and those that come later are found by the guest', () => {
  expect(disks.plug(planned('a,,xvda,w', 8))).toBe(true);
  world.settle();
  expect(sizes()).toEqual([['device/vbd/51712', 8]]);
  expect(disks.plug(planned('b,,hdc,cdrom', 16))).toBe(true);
  world.settle();
  expect(sizes()).toEqual([
    ['device/vbd/51712', 8],
    ['device/vbd/5632', 16],
  ]);
  expect(fronts.get('device/vbd/5632')?.disk).toMatchObject({ cdrom: true, removable: true, readonly: true });
  expect(disks.plug(planned('c,,xvda,w', 8))).toBe(false);
});

test('a disk that is unplugged leaves nothing, and its number may be used again', () => {
  disks.plug(planned('a,,xvda,w', 8));
  world.settle();
  const front = fronts.get('device/vbd/51712');
  const into = new Uint8Array(512);
  front?.read(0, into, () => {});
  world.settle();
  const gone: string[] = [];
  expect(disks.unplug(51712, ({ spec }) => gone.push(spec.vdev))).toBe(true);
  world.settle();
  expect([gone, sizes(), front?.disk]).toEqual([['xvda'], [], null]);
  expect(world.store.read(`/local/domain/${GUEST}/device/vbd/51712/state`)).toBeNull();
  expect([world.nrPages, world.nrPorts, world.nrMapped]).toEqual([0, 0, 0]);
  expect([disks.unplug(51712, () => {}), disks.plug(planned('b,,xvda,w', 24))]).toEqual([false, true]);
  world.settle();
  expect(sizes()).toEqual([['device/vbd/51712', 24]]);
});

test('a file that fails is told of once, and the guest gets the errors', () => {
  const disk = planned('/images/a,,xvda,w', 8);
  disks.plug(disk);
  world.settle();
  disk.store.failing = true;
  const statuses: number[] = [];
  for (let i = 0; i < 3; i++)
    fronts.get('device/vbd/51712')?.read(0, new Uint8Array(512), (status) => statuses.push(status));
  world.settle();
  expect([statuses, told]).toEqual([
    [-1, -1, -1],
    ['disk xvda: /images/a fails, and the guest is told so: EIO'],
  ]);
  disks.close();
  world.settle();
  expect(world.nrMapped).toBe(0);
});
