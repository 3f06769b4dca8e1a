import { describe, expect, it } from 'vitest';
import { FakeDomain, FakeWorld } from './testing.ts';

function ipiDomain(): FakeDomain {
  const domain = new FakeDomain(new FakeWorld(), { domid: 1 });
  for (let i = 0; i < 40; i++) domain.channels.bindIpi(0);
  return domain;
}

describe('2-level raise', () => {
  it('sets pending, the selector bit, upcall_pending, and kicks once', () => {
    const d = ipiDomain();
    d.channels.send(33);
    expect([d.pending(33), d.pendingSel(0), d.upcallPending(0)]).toEqual([true, 2, 1]);
    expect([d.kicked, d.polled]).toEqual([[0], [33]]);
  });

  it('does not kick again while an upcall is due', () => {
    const d = ipiDomain();
    for (const port of [1, 2, 33]) d.channels.send(port);
    expect([d.pendingSel(0), d.kicked]).toEqual([3, [0]]);
  });

  it('of a masked port sets pending only, and still wakes pollers', () => {
    const d = ipiDomain();
    d.setMask(1, true);
    d.channels.send(1);
    expect([d.pending(1), d.pendingSel(0), d.upcallPending(0)]).toEqual([true, 0, 0]);
    expect([d.kicked, d.polled]).toEqual([[], [1]]);
  });

  it('of a pending port changes nothing, not even for pollers', () => {
    const d = ipiDomain();
    d.channels.send(1);
    d.channels.send(1);
    expect([d.kicked, d.polled]).toEqual([[0], [1]]);
  });

  it('leaves the upcall alone when the selector bit is already set', () => {
    const d = ipiDomain();
    d.u32[d.vcpuInfo(0) / 4 + 1] = 1;
    d.channels.send(1);
    expect([d.pending(1), d.upcallPending(0), d.kicked]).toEqual([true, 0, []]);
  });

  it('follows a vcpu_info that has moved', () => {
    const d = ipiDomain();
    d.moveVcpuInfo();
    d.channels.send(1);
    expect([d.upcallPending(0), d.u8[0x2000], d.u8[0x3000]]).toEqual([1, 0, 1]);
  });
});

describe('2-level unmask', () => {
  it('raises an event that came in while masked', () => {
    const d = ipiDomain();
    d.setMask(1, true);
    d.channels.send(1);
    expect(d.channels.unmask(1)).toBe(0);
    expect([d.pendingSel(0), d.upcallPending(0), d.kicked]).toEqual([1, 1, [0]]);
  });

  it('raises nothing when nothing is pending, or nothing was masked', () => {
    const d = ipiDomain();
    d.setMask(1, true);
    d.channels.unmask(1);
    d.u32[(0x1000 + 0x800) / 4] = 2;
    d.channels.unmask(1);
    expect([d.upcallPending(0), d.kicked]).toEqual([0, []]);
  });
});
