import { VIRQ_TIMER, XEN_EEXIST, XEN_EINVAL, XEN_ENOENT } from '@domu/xen-abi';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FakeDomain, FakeWorld } from '../hypervisor/testing.ts';
import type { GuestDelivery } from './delivery.ts';
import type { GuestEventPort } from './events.ts';
import { FakeGuest } from './testing.ts';

const ABIS = ['2-level', 'FIFO'] as const;

function guests(abi: (typeof ABIS)[number]): [FakeGuest, FakeGuest] {
  const world = new FakeWorld();
  const pair = [1, 2].map((domid) => new FakeGuest(new FakeDomain(world, { domid, maxPort: 2000 })));
  if (abi === 'FIFO') for (const guest of pair) guest.startFifo(2);
  return [pair[0], pair[1]];
}

function bound(port: GuestEventPort | number): GuestEventPort {
  if (typeof port === 'number') throw new Error(`errno ${port}`);
  return port;
}

describe.each(ABIS)('guest events, %s', (abi) => {
  it('an event goes to the handler of the other side, and back', () => {
    const [a, b] = guests(abi);
    const log: string[] = [];
    const server = bound(a.events.allocUnbound(2, () => log.push('a')));
    const client = bound(b.events.bindInterdomain({ domid: 1, port: server.port }, () => log.push('b')));
    b.events.upcall(0);
    expect(log).toEqual(['b']);
    client.notify();
    client.notify();
    expect(a.events.upcall(0)).toBe(1);
    server.notify();
    expect([b.events.upcall(0), b.events.upcall(0)]).toEqual([1, 0]);
    expect(log).toEqual(['b', 'a', 'b']);
  });

  it('virqs and IPIs reach the vcpu they are bound to', () => {
    const [a] = guests(abi);
    const log: string[] = [];
    bound(a.events.bindVirq(VIRQ_TIMER, 1, () => log.push('timer')));
    const ipi = bound(a.events.bindIpi(0, () => log.push('ipi')));
    expect(a.events.bindVirq(VIRQ_TIMER, 1, () => {})).toBe(-XEN_EEXIST);
    expect(a.events.bindIpi(7, () => {})).toBe(-XEN_ENOENT);
    a.domain.channels.raiseVirq(VIRQ_TIMER, 1);
    ipi.notify();
    expect([a.events.upcall(0), a.events.upcall(1)]).toEqual([1, 1]);
    expect(log).toEqual(['ipi', 'timer']);
  });

  it('what a handler raises is handled in the same upcall', () => {
    const [a] = guests(abi);
    let left = 5;
    const ipi: GuestEventPort = bound(
      a.events.bindIpi(0, () => {
        if (--left > 0) ipi.notify();
      }),
    );
    ipi.notify();
    expect(a.events.upcall(0)).toBe(5);
  });

  it('a closed port is silent and cannot be used; the number may come back', () => {
    const [a] = guests(abi);
    let ran = 0;
    const first = bound(a.events.bindIpi(0, () => ran++));
    first.notify();
    first.close();
    first.close();
    expect(first.notify()).toBe(-XEN_EINVAL);
    a.events.upcall(0);
    expect(ran).toBe(0);
    const second = bound(a.events.bindIpi(0, () => ran++));
    expect(second.port).toBe(first.port);
    first.close();
    second.notify();
    a.events.upcall(0);
    expect(ran).toBe(1);
  });

  it('an event on a port without a handler is counted, and the port masked', () => {
    const [a] = guests(abi);
    const ipi = bound(a.events.bindIpi(0, () => {}));
    const { handlers } = a.events as unknown as { handlers: Map<number, () => void> };
    handlers.delete(ipi.port);
    a.domain.channels.send(ipi.port);
    a.events.upcall(0);
    a.domain.channels.send(ipi.port);
    a.events.upcall(0);
    expect(a.events.strays).toBe(1);
  });
});

describe('FIFO guest', () => {
  it('handles the highest priority first, even if it comes up in between', () => {
    const [a] = guests('FIFO');
    const log: number[] = [];
    const ports: GuestEventPort[] = [];
    for (let i = 0; i < 4; i++) {
      ports.push(
        bound(
          a.events.bindIpi(0, () => {
            log.push(i);
            if (i === 1) ports[3].notify();
          }),
        ),
      );
    }
    a.ports.setPriority(ports[1].port, 4);
    a.ports.setPriority(ports[3].port, 0);
    for (const i of [0, 2, 1]) ports[i].notify();
    a.events.upcall(0);
    expect(log).toEqual([1, 3, 0, 2]);
  });

  it('ports beyond 1024 get words as they are bound', () => {
    const [a] = guests('FIFO');
    let last = 0;
    for (let i = 1; i <= 1500; i++) {
      const port = bound(
        a.events.bindIpi(i & 1, () => {
          last = i;
        }),
      );
      if (i === 1500) port.notify();
    }
    expect(a.events.upcall(0)).toBe(1);
    expect(last).toBe(1500);
  });
});

type Step = {
  readonly act: 'send' | 'mask' | 'unmask' | 'upcall' | 'priority' | 'rebind';
  readonly i: number;
};

const NR_PORTS = 6;
const step: fc.Arbitrary<Step> = fc.record({
  act: fc.constantFrom('send', 'send', 'send', 'mask', 'unmask', 'upcall', 'priority', 'rebind'),
  i: fc.nat(NR_PORTS - 1),
});

describe.each(ABIS)('property, %s', (abi) => {
  it('every event sent is handled exactly once, as soon as its port is not masked', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const [a] = guests(abi);
        const { delivery } = a.events as unknown as { delivery: GuestDelivery };
        const pending = new Set<number>();
        const masked = new Set<number>();
        const handled: number[] = [];
        const bind = (i: number): GuestEventPort => bound(a.events.bindIpi(i & 1, () => handled.push(i)));
        const ports = Array.from({ length: NR_PORTS }, (_, i) => bind(i));
        const upcall = (): void => {
          handled.length = 0;
          a.events.upcall(0);
          a.events.upcall(1);
          const due = [...pending].filter((i) => !masked.has(i));
          expect([...handled].sort()).toEqual(due.sort());
          for (const i of due) pending.delete(i);
        };
        for (const { act, i } of steps) {
          const { port } = ports[i];
          if (act === 'send') {
            ports[i].notify();
            pending.add(i);
          } else if (act === 'mask') {
            delivery.mask(port);
            masked.add(i);
          } else if (act === 'unmask') {
            delivery.unmask(port);
            masked.delete(i);
          } else if (act === 'priority') {
            a.ports.setPriority(port, (i * 5) % 16);
          } else if (act === 'rebind') {
            ports[i].close();
            ports[i] = bind(i);
            pending.delete(i);
            masked.delete(i);
          } else {
            upcall();
          }
          a.domain.channels.checkInvariants();
        }
        upcall();
      }),
      { numRuns: 200, seed: 1 },
    );
  });
});
