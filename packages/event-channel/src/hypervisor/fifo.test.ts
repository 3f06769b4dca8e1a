import {
  EVTCHN_FIFO_PRIORITY_DEFAULT,
  XEN_EACCES,
  XEN_EBUSY,
  XEN_EINVAL,
  XEN_ENOENT,
  XEN_ENOSPC,
  XEN_ENOSYS,
  XEN_EOPNOTSUPP,
} from '@domu/xen-abi';
import { describe, expect, it } from 'vitest';
import { FakeDomain, FakeWorld, FIRST_FREE_PAGE, TABLE_PAGE } from './testing.ts';

const CONTROL = FIRST_FREE_PAGE;
const ARRAY = FIRST_FREE_PAGE + 4;
const PENDING = 0x8000_0000;
const MASKED = 0x4000_0000;
const LINKED = 0x2000_0000;

/** A domain with FIFO queues: a control block per vcpu, one page of words, all unmasked. */
function fifoDomain(maxPort = 1500): FakeDomain {
  const d = new FakeDomain(new FakeWorld(), { domid: 1, maxPort });
  for (const vcpu of [0, 1]) expect(d.channels.initControl(vcpu, { gfn: CONTROL + vcpu, offset: 0 })).toBe(0);
  expect(d.channels.expandArray(ARRAY)).toBe(0);
  return d;
}

const word = (d: FakeDomain, port: number): number => d.u32[ARRAY * 1024 + port];
const setWord = (d: FakeDomain, port: number, value: number): void => {
  d.u32[ARRAY * 1024 + port] = value;
};
const ready = (d: FakeDomain, vcpu: number): number => d.u32[(CONTROL + vcpu) * 1024];
const head = (d: FakeDomain, vcpu: number, priority = EVTCHN_FIFO_PRIORITY_DEFAULT): number =>
  d.u32[(CONTROL + vcpu) * 1024 + 2 + priority];

describe('EVTCHNOP_init_control', () => {
  it('refuses places and vcpus that will not do, and leaves no FIFO half enabled (xsa-188)', () => {
    const d = new FakeDomain(new FakeWorld(), { domid: 1 });
    const init = (vcpu: number, gfn: number, offset: number): number =>
      d.channels.initControl(vcpu, { gfn, offset });
    expect(init(2, CONTROL, 0)).toBe(-XEN_ENOENT);
    expect(init(0, CONTROL, 4032)).toBe(-XEN_EINVAL);
    expect(init(0, CONTROL, 4)).toBe(-XEN_EINVAL);
    expect(init(0, 0xfffffffe, 0)).toBe(-XEN_EINVAL);
    expect(init(0, TABLE_PAGE, 0)).toBe(-XEN_EINVAL);
    expect(d.channels.usesFifo).toBe(false);
    expect(d.channels.expandArray(ARRAY)).toBe(-XEN_EOPNOTSUPP);
    expect(d.channels.bindIpi(0)).toBe(1);
    expect(d.channels.setPriority(1, 3)).toBe(-XEN_ENOSYS);
    expect(init(0, CONTROL, 4024)).toBe(0);
    expect(init(0, CONTROL, 0)).toBe(-XEN_EINVAL);
    expect(init(1, TABLE_PAGE, 0)).toBe(-XEN_EINVAL);
    expect(init(1, CONTROL, 0)).toBe(0);
    expect(d.held[CONTROL]).toBe(2);
  });

  it('events that were pending before, or came before their words existed, are raised again', () => {
    const d = new FakeDomain(new FakeWorld(), { domid: 1 });
    for (let i = 0; i < 3; i++) d.channels.bindIpi(0);
    d.channels.send(1);
    d.channels.initControl(0, { gfn: CONTROL, offset: 0 });
    d.channels.send(2);
    expect(d.channels.isPending(1)).toBe(false);
    d.channels.send(3);
    d.channels.close(3);
    d.u32[ARRAY * 1024 + 2] = MASKED;
    d.settle();
    expect(d.channels.expandArray(ARRAY)).toBe(0);
    expect(word(d, 1)).toBe((PENDING | LINKED) >>> 0);
    expect(word(d, 2)).toBe((PENDING | MASKED) >>> 0);
    expect(word(d, 3)).toBe(0);
    expect(head(d, 0)).toBe(1);
    expect(d.upcallPending(0)).toBe(1);
    expect(d.polled).toEqual([1, 2]);
  });

  it('the array has at most 128 pages', () => {
    const d = fifoDomain();
    for (let i = 1; i < 128; i++) expect(d.channels.expandArray(ARRAY + (i % 8))).toBe(0);
    expect(d.channels.expandArray(ARRAY)).toBe(-XEN_ENOSPC);
    expect(d.channels.expandArray(TABLE_PAGE)).toBe(-XEN_ENOSPC);
  });
});

describe('FIFO queues', () => {
  it('link events in order, and signal only a queue that was empty', () => {
    const d = fifoDomain();
    for (let i = 0; i < 3; i++) d.channels.bindIpi(0);
    for (const port of [2, 1, 3, 1]) d.channels.send(port);
    expect(head(d, 0)).toBe(2);
    expect([word(d, 2) & 0x1ffff, word(d, 1) & 0x1ffff, word(d, 3) & 0x1ffff]).toEqual([1, 3, 0]);
    expect(ready(d, 0)).toBe(1 << EVTCHN_FIFO_PRIORITY_DEFAULT);
    expect(d.kicked).toEqual([0]);
    expect(d.polled).toEqual([2, 1, 3]);
  });

  it('a tail that the guest has taken off is not linked to', () => {
    const d = fifoDomain();
    d.channels.bindIpi(0);
    d.channels.bindIpi(0);
    d.channels.send(1);
    setWord(d, 1, 0);
    d.channels.send(2);
    expect(word(d, 1)).toBe(0);
    expect(head(d, 0)).toBe(2);
  });

  it('priorities and vcpus have queues of their own', () => {
    const d = fifoDomain();
    for (const vcpu of [0, 0, 1]) d.channels.bindIpi(vcpu);
    expect([
      d.channels.setPriority(2, 0),
      d.channels.setPriority(2, 16),
      d.channels.setPriority(9, 1),
    ]).toEqual([0, -XEN_EINVAL, -XEN_EACCES]);
    expect(d.channels.setPriority(500, 1)).toBe(-XEN_EINVAL);
    for (const port of [1, 2, 3]) d.channels.send(port);
    expect(ready(d, 0)).toBe(0b1000_0001);
    expect([head(d, 0), head(d, 0, 0), head(d, 1)]).toEqual([1, 2, 3]);
    expect(d.kicked).toEqual([0, 1]);
  });

  it('a port that moves to another queue is no longer the tail of the old one', () => {
    const d = fifoDomain();
    d.channels.bindIpi(0);
    d.channels.bindIpi(0);
    d.channels.send(1);
    setWord(d, 1, 0);
    d.channels.setPriority(1, 2);
    d.channels.send(1);
    d.channels.send(2);
    expect(word(d, 1) & 0x1ffff).toBe(0);
    expect([head(d, 0, 2), head(d, 0)]).toEqual([1, 2]);
    d.channels.checkInvariants();
  });

  it('a masked event waits, pending, until it is unmasked; pollers hear of it at once', () => {
    const d = fifoDomain();
    d.channels.bindIpi(1);
    setWord(d, 1, MASKED);
    d.channels.send(1);
    expect([word(d, 1), ready(d, 1), d.upcallPending(1)]).toEqual([(PENDING | MASKED) >>> 0, 0, 0]);
    expect(d.polled).toEqual([1]);
    d.channels.unmask(1);
    expect([word(d, 1), head(d, 1), d.upcallPending(1)]).toEqual([(PENDING | LINKED) >>> 0, 1, 1]);
  });

  it('a vcpu without a control block gets no events', () => {
    const d = new FakeDomain(new FakeWorld(), { domid: 1 });
    d.channels.initControl(0, { gfn: CONTROL, offset: 0 });
    d.channels.expandArray(ARRAY);
    d.channels.bindIpi(1);
    d.channels.send(1);
    expect(word(d, 1)).toBe(0);
  });

  it('a closed port is not handed out while it is on a queue', () => {
    const d = fifoDomain();
    d.channels.bindIpi(0);
    d.channels.send(1);
    d.channels.close(1);
    expect(word(d, 1)).toBe(LINKED);
    expect(d.channels.bindIpi(0)).toBe(2);
    setWord(d, 1, 0);
    expect(d.channels.bindIpi(0)).toBe(1);
  });

  it('ports go up to max_event_channels, beyond the 1024 of the 2-level ABI', () => {
    const d = fifoDomain(1500);
    for (let i = 1; i <= 1500; i++) expect(d.channels.bindIpi(0)).toBe(i);
    expect(d.channels.bindIpi(0)).toBe(-XEN_ENOSPC);
  });
});

describe('EVTCHNOP_reset', () => {
  it('goes back to the 2-level ABI and gives the pages back', () => {
    const d = fifoDomain();
    d.channels.bindIpi(0);
    expect(d.channels.reset()).toBe(0);
    expect(d.channels.usesFifo).toBe(false);
    expect(Math.max(...d.held)).toBe(0);
    expect(d.channels.bindIpi(0)).toBe(1);
    d.channels.send(1);
    expect(d.pending(1)).toBe(true);
  });

  it('may be cut short and resumed, and cannot be started twice', () => {
    const d = fifoDomain(300);
    for (let i = 1; i <= 300; i++) d.channels.bindIpi(0);
    expect(d.channels.reset(true)).toBe(-XEN_EBUSY);
    expect(d.channels.reset(false, () => false)).toBe(1);
    expect(d.channels.nrActive).toBe(300 - 64);
    expect(d.channels.reset()).toBe(-XEN_EBUSY);
    expect(d.channels.usesFifo).toBe(true);
    expect(d.channels.reset(true)).toBe(0);
    expect([d.channels.nrActive, d.channels.usesFifo]).toEqual([0, false]);
  });
});
