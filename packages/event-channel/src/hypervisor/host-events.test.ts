import { XEN_EINVAL, XEN_ESRCH } from '@domu/xen-abi';
import { describe, expect, it } from 'vitest';
import type { HostPort } from './host-events.ts';
import { FakeDomain, FakeWorld } from './testing.ts';

function bound(): { world: FakeWorld; guest: FakeDomain; port: HostPort; calls: string[] } {
  const world = new FakeWorld();
  const guest = new FakeDomain(world, { domid: 1 });
  const calls: string[] = [];
  const remote = { domid: 1, port: guest.channels.allocUnbound(0) };
  const port = world.hostEvents.bind(world.host, remote, () => calls.push('event'));
  if (typeof port === 'number') throw new Error(`bind failed: ${port}`);
  return { world, guest, port, calls };
}

describe('host ports', () => {
  it('call the handler once at the first dispatch after binding, since earlier sends were dropped', () => {
    const { world, calls } = bound();
    expect([calls.length, world.kicks]).toEqual([0, 1]);
    expect(world.hostEvents.dispatch()).toBe(1);
    expect(calls.length).toBe(1);
  });

  it('queue guest events instead of running within the send, and merge repeated ones', () => {
    const { world, guest, calls } = bound();
    world.hostEvents.dispatch();
    calls.length = 0;
    guest.channels.send(1);
    guest.channels.send(1);
    expect([calls.length, world.kicks, world.hostEvents.hasPending]).toEqual([0, 2, true]);
    world.hostEvents.dispatch();
    expect([calls.length, world.hostEvents.hasPending]).toEqual([1, false]);
  });

  it('notify the guest', () => {
    const { guest, port } = bound();
    expect(port.notify()).toBe(0);
    expect([guest.pending(1), guest.upcallPending(0)]).toEqual([true, 1]);
  });

  it('run no handler after close, not even for an event already queued', () => {
    const { world, port, calls, guest } = bound();
    port.close();
    port.close();
    expect(world.hostEvents.dispatch()).toBe(0);
    expect([calls.length, port.notify(), guest.channels.send(1)]).toEqual([0, -XEN_EINVAL, 0]);
  });

  it('stay usable when the guest closes its end: sends are dropped', () => {
    const { guest, port } = bound();
    guest.channels.close(1);
    expect(port.notify()).toBe(0);
    expect(guest.pending(1)).toBe(false);
  });

  it('an event raised by a handler waits for the next dispatch', () => {
    const world = new FakeWorld();
    const guest = new FakeDomain(world, { domid: 1 });
    let runs = 0;
    const remote = { domid: 1, port: guest.channels.allocUnbound(0) };
    world.hostEvents.bind(world.host, remote, () => {
      runs++;
      guest.channels.send(1);
    });
    expect([world.hostEvents.dispatch(), runs]).toEqual([1, 1]);
    expect([world.hostEvents.dispatch(), runs]).toEqual([1, 2]);
  });

  it('report why a binding failed', () => {
    const { world } = bound();
    const nothing = (): void => {};
    expect(world.hostEvents.bind(world.host, { domid: 1, port: 9 }, nothing)).toBe(-XEN_EINVAL);
    expect(world.hostEvents.bind(world.host, { domid: 5, port: 1 }, nothing)).toBe(-XEN_ESRCH);
  });
});
