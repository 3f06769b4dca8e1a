import { XenStore } from '@domu/xenstore/server';
import { describe, expect, test } from 'vitest';
import { parseDisk } from '../cfg/disk.ts';
import { parseVif } from '../cfg/vif.ts';
import { planVifs } from '../cfg/vif-plan.ts';
import { createVbdNodes, createVifNodes, removeDeviceNodes } from './device-nodes.ts';
import { createDomainNodes, removeDomainNodes } from './domain-nodes.ts';

const UUID = 'd6b4c0ae-0000-4000-8000-0123456789ab';

function newStore(): XenStore {
  const store = new XenStore({ defer: (job) => job() });
  createDomainNodes(store, {
    domid: 3,
    name: 'web',
    uuid: UUID,
    memoryKiB: 65536,
    maxMemoryKiB: 131072,
    vcpus: [true, false],
    store: { port: 1, mfn: 0x101 },
    console: { port: 2, mfn: 0x102 },
  });
  return store;
}

function disk(spec: string) {
  const parsed = parseDisk(spec);
  if (!parsed.ok) throw new Error(parsed.error);
  return parsed.value;
}

describe('createDomainNodes', () => {
  test('a guest finds itself, its memory, its vCPUs and its rings', () => {
    const store = newStore();
    const read = (path: string): string | null => store.read(`/local/domain/3/${path}`);
    expect([
      read('name'),
      read('domid'),
      read('vm'),
      read('memory/target'),
      read('memory/static-max'),
    ]).toEqual(['web', '3', `/vm/${UUID}`, '65536', '131072']);
    expect([read('cpu/0/availability'), read('cpu/1/availability')]).toEqual(['online', 'offline']);
    expect([
      read('store/port'),
      read('store/ring-ref'),
      read('console/port'),
      read('console/ring-ref'),
    ]).toEqual(['1', '257', '2', '258']);
    expect(store.read(`/vm/${UUID}/uuid`)).toBe(UUID);
  });

  test('the guest owns control/shutdown and data, and can only read the rest', () => {
    const store = newStore();
    for (const path of ['control/shutdown', 'control/sysrq', 'data', 'error', 'attr', 'feature', 'drivers']) {
      expect(store.getPerms(`/local/domain/3/${path}`)).toEqual(['n3']);
    }
    for (const path of [
      '',
      '/name',
      '/memory/target',
      '/control',
      '/device',
      '/console',
      '/console/ring-ref',
    ]) {
      expect(store.getPerms(`/local/domain/3${path}`)).toEqual(['n0', 'r3']);
    }
  });
});

describe('createVbdNodes', () => {
  test('both ends start in Initialising and name each other', () => {
    const store = newStore();
    const paths = createVbdNodes(store, 3, disk('/srv/a.img,raw,xvda,r'));
    expect(paths).toEqual({
      frontend: '/local/domain/3/device/vbd/51712',
      backend: '/local/domain/0/backend/vbd/3/51712',
    });
    expect(store.read(`${paths.frontend}/backend`)).toBe(paths.backend);
    expect(store.read(`${paths.backend}/frontend`)).toBe(paths.frontend);
    expect(store.read(`${paths.frontend}/state`)).toBe('1');
    expect(store.read(`${paths.backend}/state`)).toBe('1');
    expect(store.read(`${paths.backend}/mode`)).toBe('r');
    expect(store.read(`${paths.frontend}/virtual-device`)).toBe('51712');
    expect(store.getPerms(`${paths.frontend}/state`)).toEqual(['n3', 'r0']);
    expect(store.getPerms(`${paths.backend}/state`)).toEqual(['n0', 'r3']);
    expect(store.directory('/local/domain/3/device/vbd')).toEqual(['51712']);
  });

  test('a CD-ROM says so on both ends', () => {
    const store = newStore();
    const paths = createVbdNodes(store, 3, disk('/srv/a.iso,,hdc,cdrom'));
    expect(store.read(`${paths.frontend}/device-type`)).toBe('cdrom');
    expect(store.read(`${paths.backend}/removable`)).toBe('1');
  });
});

describe('createVifNodes', () => {
  const vif = (spec: string) => {
    const parsed = parseVif(spec);
    const planned = parsed.ok ? planVifs([{ value: parsed.value, where: 'vif' }], UUID) : parsed;
    if (!planned.ok) throw new Error(planned.error);
    return planned.value[0].value;
  };

  test('both ends carry the address, start in Initialising and name each other', () => {
    const store = newStore();
    const paths = createVifNodes(store, 3, vif('mac=00:16:3e:01:02:03,bridge=lan,mtu=1400'));
    expect(paths).toEqual({
      frontend: '/local/domain/3/device/vif/0',
      backend: '/local/domain/0/backend/vif/3/0',
    });
    const read = (path: string) => ['state', 'mac', 'handle', 'mtu'].map((n) => store.read(`${path}/${n}`));
    expect(read(paths.frontend)).toEqual(['1', '00:16:3e:01:02:03', '0', '1400']);
    expect(read(paths.backend)).toEqual(['1', '00:16:3e:01:02:03', '0', '1400']);
    expect(store.read(`${paths.frontend}/backend`)).toBe(paths.backend);
    expect(store.read(`${paths.backend}/frontend`)).toBe(paths.frontend);
    expect(store.read(`${paths.backend}/bridge`)).toBe('lan');
    expect(store.getPerms(`${paths.frontend}/tx-ring-ref`)).toBeNull();
    expect(store.getPerms(`${paths.frontend}/mac`)).toEqual(['n3', 'r0']);
  });

  test('a device that was unplugged leaves nothing', () => {
    const store = newStore();
    const paths = createVifNodes(store, 3, vif('devid=2'));
    removeDeviceNodes(store, paths);
    expect([store.read(paths.frontend), store.read(paths.backend)]).toEqual([null, null]);
  });
});

test('removeDomainNodes leaves nothing of the domain', () => {
  const store = newStore();
  createVbdNodes(store, 3, disk('/srv/a.img,raw,xvda,w'));
  removeDomainNodes(store, 3, UUID);
  expect(store.directory('/local/domain')).toEqual(['0']);
  expect(store.directory('/vm')).toEqual([]);
  expect(store.directory('/local/domain/0/backend/vbd')).toEqual([]);
});
