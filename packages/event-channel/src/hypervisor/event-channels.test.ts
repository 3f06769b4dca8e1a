import {
  EVTCHNSTAT_closed,
  EVTCHNSTAT_interdomain,
  EVTCHNSTAT_ipi,
  EVTCHNSTAT_unbound,
  EVTCHNSTAT_virq,
  VIRQ_CONSOLE,
  VIRQ_DEBUG,
  VIRQ_TIMER,
  XEN_EEXIST,
  XEN_EINVAL,
  XEN_ENOENT,
  XEN_ENOSPC,
  XEN_ESRCH,
} from '@domu/xen-abi';
import { describe, expect, it } from 'vitest';
import { FakeDomain, FakeWorld } from './testing.ts';

function twoDomains(): { a: FakeDomain; b: FakeDomain } {
  const world = new FakeWorld();
  return { a: new FakeDomain(world, { domid: 1 }), b: new FakeDomain(world, { domid: 2 }) };
}

describe('port allocation', () => {
  it('hands out 1, 2, 3 and never 0', () => {
    const { a } = twoDomains();
    expect([0, 0, 0].map((dom) => a.channels.allocUnbound(dom))).toEqual([1, 2, 3]);
    expect(a.channels.status(0)?.status).toBe(EVTCHNSTAT_closed);
    expect(a.channels.close(0)).toBe(-XEN_EINVAL);
  });

  it('hands out the lowest free port', () => {
    const { a } = twoDomains();
    for (let i = 0; i < 5; i++) a.channels.allocUnbound(0);
    a.channels.close(4);
    a.channels.close(2);
    expect(a.channels.allocUnbound(0)).toBe(2);
    expect(a.channels.bindIpi(0)).toBe(4);
    expect(a.channels.bindIpi(0)).toBe(6);
  });

  it('xsa-317: exhausting the ports ends in -ENOSPC at the 2-level limit, whatever max_event_channels says', () => {
    const a = new FakeDomain(new FakeWorld(), { domid: 1, maxPort: 4096 });
    const results = Array.from({ length: 1100 }, () => a.channels.allocUnbound(0));
    expect(results[1022]).toBe(1023);
    expect(results[1023]).toBe(-XEN_ENOSPC);
    expect(results.at(-1)).toBe(-XEN_ENOSPC);
    a.channels.checkInvariants();
  });

  it('honours max_event_channels below the 2-level limit', () => {
    const a = new FakeDomain(new FakeWorld(), { domid: 1, maxPort: 4 });
    expect([1, 2, 3, 4, 5].map(() => a.channels.allocUnbound(0))).toEqual([1, 2, 3, 4, -XEN_ENOSPC]);
    expect(a.channels.bindVirq(VIRQ_TIMER, 0)).toBe(-XEN_ENOSPC);
    expect(a.channels.bindIpi(0)).toBe(-XEN_ENOSPC);
  });
});

describe('bindInterdomain', () => {
  it('joins the two ports and makes the local one pending', () => {
    const { a, b } = twoDomains();
    a.channels.allocUnbound(2);
    expect(b.channels.bindInterdomain(1, 1)).toBe(1);
    expect(b.channels.status(1)).toEqual({ status: EVTCHNSTAT_interdomain, vcpu: 0, u0: 1, u1: 1 });
    expect(a.channels.status(1)).toEqual({ status: EVTCHNSTAT_interdomain, vcpu: 0, u0: 2, u1: 1 });
    expect(b.pending(1)).toBe(true);
    expect(a.pending(1)).toBe(false);
  });

  it('works within one domain', () => {
    const { a } = twoDomains();
    a.channels.allocUnbound(1);
    expect(a.channels.bindInterdomain(1, 1)).toBe(2);
    a.settle();
    a.channels.send(1);
    expect([a.pending(1), a.pending(2)]).toEqual([false, true]);
    a.channels.close(2);
    expect(a.channels.status(1)?.status).toBe(EVTCHNSTAT_unbound);
    a.channels.checkInvariants();
  });

  it('refuses an unknown domain, a port meant for another domain, and a port that is taken or does not exist', () => {
    const { a, b } = twoDomains();
    a.channels.allocUnbound(7);
    a.channels.allocUnbound(2);
    expect(b.channels.bindInterdomain(9, 1)).toBe(-XEN_ESRCH);
    expect(b.channels.bindInterdomain(1, 1)).toBe(-XEN_EINVAL);
    expect(b.channels.bindInterdomain(1, 5)).toBe(-XEN_EINVAL);
    expect(b.channels.bindInterdomain(1, 0)).toBe(-XEN_EINVAL);
    expect(b.channels.bindInterdomain(1, 0xffffffff)).toBe(-XEN_EINVAL);
    expect(b.channels.bindInterdomain(1, 2)).toBe(1);
    expect(b.channels.bindInterdomain(1, 2)).toBe(-XEN_EINVAL);
    expect(b.channels.allocUnbound(0)).toBe(2);
  });
});

describe('send', () => {
  it('reaches the other end', () => {
    const { a, b } = twoDomains();
    b.channels.bindInterdomain(1, a.channels.allocUnbound(2));
    b.settle();
    expect(b.channels.send(1)).toBe(0);
    expect([a.pending(1), b.pending(1)]).toEqual([true, false]);
  });

  it('on an unbound port is dropped and returns 0', () => {
    const { a, b } = twoDomains();
    a.channels.allocUnbound(2);
    expect(a.channels.send(1)).toBe(0);
    expect([a.pending(1), b.pending(1)]).toEqual([false, false]);
  });

  it('on an ipi port comes back to its vcpu', () => {
    const { a } = twoDomains();
    a.channels.bindIpi(1);
    expect(a.channels.send(1)).toBe(0);
    expect([a.upcallPending(0), a.upcallPending(1)]).toEqual([0, 1]);
  });

  it('on a virq, free, reserved or unknown port is -EINVAL', () => {
    const { a } = twoDomains();
    a.channels.bindVirq(VIRQ_TIMER, 0);
    for (const port of [0, 1, 2, 63, 64, 1023, 1024, 0xffffffff])
      expect(a.channels.send(port)).toBe(-XEN_EINVAL);
  });
});

describe('virqs', () => {
  it('a per-vcpu virq binds once on each vcpu and is raised there', () => {
    const { a } = twoDomains();
    expect(a.channels.bindVirq(VIRQ_TIMER, 0)).toBe(1);
    expect(a.channels.bindVirq(VIRQ_TIMER, 1)).toBe(2);
    expect(a.channels.bindVirq(VIRQ_TIMER, 1)).toBe(-XEN_EEXIST);
    a.channels.raiseVirq(VIRQ_TIMER, 1);
    expect([a.pending(1), a.pending(2), a.upcallPending(1)]).toEqual([false, true, 1]);
    expect(a.channels.status(2)).toEqual({ status: EVTCHNSTAT_virq, vcpu: 1, u0: VIRQ_TIMER, u1: 0 });
  });

  it('a global virq binds on vcpu 0 only, and may then be moved', () => {
    const { a } = twoDomains();
    expect(a.channels.bindVirq(VIRQ_CONSOLE, 1)).toBe(-XEN_EINVAL);
    expect(a.channels.bindVirq(VIRQ_CONSOLE, 0)).toBe(1);
    expect(a.channels.bindVcpu(1, 1)).toBe(0);
    a.channels.raiseVirq(VIRQ_CONSOLE);
    expect(a.upcallPending(1)).toBe(1);
    a.channels.checkInvariants();
    expect(a.channels.close(1)).toBe(0);
    expect(a.channels.bindVirq(VIRQ_CONSOLE, 0)).toBe(1);
  });

  it('refuses a bad virq or vcpu', () => {
    const { a } = twoDomains();
    expect(a.channels.bindVirq(24, 0)).toBe(-XEN_EINVAL);
    expect(a.channels.bindVirq(VIRQ_DEBUG, 2)).toBe(-XEN_ENOENT);
    expect(a.channels.bindIpi(2)).toBe(-XEN_ENOENT);
  });

  it('raising a virq that nobody has bound does nothing', () => {
    const { a } = twoDomains();
    a.channels.raiseVirq(VIRQ_TIMER, 0);
    expect(a.kicked).toEqual([]);
  });
});

describe('bindVcpu', () => {
  it('moves unbound and interdomain ports', () => {
    const { a, b } = twoDomains();
    a.channels.allocUnbound(2);
    expect(a.channels.bindVcpu(1, 1)).toBe(0);
    b.channels.bindInterdomain(1, 1);
    b.channels.send(1);
    expect(a.upcallPending(1)).toBe(1);
  });

  it('refuses ipis, per-vcpu virqs, free ports and bad vcpus', () => {
    const { a } = twoDomains();
    a.channels.bindIpi(0);
    a.channels.bindVirq(VIRQ_TIMER, 0);
    expect(a.channels.bindVcpu(1, 1)).toBe(-XEN_EINVAL);
    expect(a.channels.bindVcpu(2, 1)).toBe(-XEN_EINVAL);
    expect(a.channels.bindVcpu(3, 1)).toBe(-XEN_EINVAL);
    expect(a.channels.bindVcpu(1000, 1)).toBe(-XEN_EINVAL);
    expect(a.channels.bindVcpu(1, 2)).toBe(-XEN_ENOENT);
  });
});

describe('close', () => {
  it('clears the pending event and leaves the peer unbound for the closer', () => {
    const { a, b } = twoDomains();
    a.channels.allocUnbound(2);
    b.channels.bindInterdomain(1, 1);
    expect(b.channels.close(1)).toBe(0);
    expect(b.pending(1)).toBe(false);
    expect(b.channels.status(1)?.status).toBe(EVTCHNSTAT_closed);
    expect(a.channels.status(1)).toEqual({ status: EVTCHNSTAT_unbound, vcpu: 0, u0: 2, u1: 0 });
    expect(b.channels.bindInterdomain(1, 1)).toBe(1);
  });

  it('twice is -EINVAL', () => {
    const { a } = twoDomains();
    a.channels.bindIpi(1);
    expect(a.channels.status(1)?.status).toBe(EVTCHNSTAT_ipi);
    expect([a.channels.close(1), a.channels.close(1)]).toEqual([0, -XEN_EINVAL]);
  });

  it('a destroyed domain lets go of its peers and gets no new ports', () => {
    const { a, b } = twoDomains();
    a.channels.allocUnbound(2);
    b.channels.bindInterdomain(1, 1);
    a.channels.destroy();
    expect(b.channels.status(1)).toEqual({ status: EVTCHNSTAT_unbound, vcpu: 0, u0: 1, u1: 0 });
    expect(a.channels.allocUnbound(0)).toBe(-XEN_EINVAL);
  });
});

describe('the end of the table', () => {
  it('a free port within it is closed, one beyond it does not exist', () => {
    const { a } = twoDomains();
    expect(a.channels.status(63)?.status).toBe(EVTCHNSTAT_closed);
    expect(a.channels.status(64)).toBeNull();
    expect(a.channels.isPending(63)).toBeNull();
    expect(a.channels.isPending(64)).toBeNull();
    expect(a.channels.unmask(63)).toBe(0);
    expect(a.channels.unmask(64)).toBe(-XEN_EINVAL);
  });
});
