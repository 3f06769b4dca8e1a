import { NetFront } from '@domu/netfront';
import { parseVif, planVifs } from '@domu/toolstack';
import { watchDevices } from '@domu/xenstore/client';
import { beforeEach, describe, expect, test } from 'vitest';
import { GuestVifs } from '../../src/net/guest-vifs.ts';
import { Networks, type VifPlan } from '../../src/net/networks.ts';
import { DeviceTracks } from '../../src/trace/device-tracer.ts';
import { NetWorld, Station, testFrame } from './net-world.ts';
import { GUEST } from './world.ts';

const UUID = 'd6b4c0ae-0000-4000-8000-0123456789ab';

let world: NetWorld;
let vifs: GuestVifs;
/** The guest's interfaces by path, as its bus finds them. */
let fronts: Map<string, NetFront>;

function planOf(spec: string): VifPlan {
  const parsed = parseVif(spec);
  const planned = parsed.ok ? planVifs([{ value: parsed.value, where: 'vif' }], UUID) : parsed;
  if (!planned.ok) throw new Error(planned.error);
  return { vif: planned.value[0].value, captureFd: null, userOptions: null };
}

beforeEach(() => {
  world = new NetWorld();
  world.store.write(`/local/domain/${GUEST}/device`, '');
  world.store.setPerms(`/local/domain/${GUEST}/device`, ['n0', `r${GUEST}`]);
  const networks = new Networks({ now: () => ({ seconds: 0, nanoseconds: 0 }), tell: () => {} });
  vifs = new GuestVifs({
    host: world.netHost,
    store: world.store,
    networks,
    traces: new DeviceTracks(),
    domid: GUEST,
  });
  fronts = new Map();
  const { guest, events, grants, client, pages } = world;
  watchDevices(client, 'vif', {
    appeared: (path) => fronts.set(path, new NetFront({ guest, events, grants, store: client, pages, path })),
    vanished: (path) => fronts.delete(path),
  });
  world.settle();
});

describe('a network interface at run time', () => {
  test('is plugged in, found by the guest, joined with others by its switch, and taken away', () => {
    expect(vifs.plug(planOf('bridge=lan,mac=00:16:3e:00:00:01'))).toBe(true);
    world.settle();
    expect(vifs.plug(planOf('bridge=lan,mac=00:16:3e:00:00:02,devid=1,mtu=9000'))).toBe(true);
    expect(vifs.plug(planOf('devid=1'))).toBe(false);
    world.settle();
    const [first, second] = ['device/vif/0', 'device/vif/1'].map((path) => fronts.get(path));
    if (first === undefined || second === undefined) throw new Error('not found');
    expect([first.link, second.link, second.mtu, second.mac?.[5]]).toEqual([true, true, 9000, 2]);
    const [a, b] = [new Station(first), new Station(second)];
    a.send(testFrame(2, 1, 1000, 1));
    world.settle();
    expect(b.nrFrames).toBe(1);

    expect(vifs.unplug(1)).toBe(true);
    world.settle();
    expect([fronts.has('device/vif/1'), second.link, second.state]).toEqual([false, false, 6]);
    expect(world.store.directory(`/local/domain/0/backend/vif/${GUEST}`)).toEqual(['0']);
    expect([vifs.unplug(1), first.link, vifs.netback(0)?.state]).toEqual([false, true, 4]);
    vifs.plug(planOf('bridge=lan,devid=1'));
    world.settle();
    expect(fronts.get('device/vif/1')?.link).toBe(true);

    for (const devid of [0, 1]) vifs.unplug(devid);
    world.settle();
    expect([fronts.size, ...world.remains]).toEqual([0, 0, 0, 0, 0, 0]);
  });

  test('that no driver takes stays announced until its guest ends', () => {
    fronts.clear();
    const other = new NetWorld();
    const networks = new Networks({ now: () => ({ seconds: 0, nanoseconds: 0 }), tell: () => {} });
    const parts = {
      host: other.netHost,
      store: other.store,
      networks,
      traces: new DeviceTracks(),
      domid: GUEST,
    };
    const unserved = new GuestVifs(parts);
    unserved.plug(planOf(''));
    other.settle();
    expect(other.backend('state')).toBe('2');
    unserved.unplug(0);
    other.settle();
    expect([other.backend('state'), other.backend('online')]).toEqual(['5', '0']);
    unserved.close();
    expect(unserved.netback(0)).toBeUndefined();
  });
});
