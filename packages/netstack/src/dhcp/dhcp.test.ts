import fc from 'fast-check';
import { expect, test } from 'vitest';
import { NetInterface } from '../interface.ts';
import { NetStack } from '../stack.ts';
import { TestHost } from '../testing.ts';
import { parseIpv4 } from '../wire/address.ts';
import { ordinaryFrame } from '../wire/offload.ts';
import { DhcpClient, type DhcpLease } from './client.ts';
import { DHO_MESSAGE_TYPE, encodeDhcp, parseDhcp } from './message.ts';
import { DhcpServer } from './server.ts';

const ip = (text: string): number => parseIpv4(text)!;

function setUp() {
  const host = new TestHost();
  const [server, client] = [new NetStack(host), new NetStack(host)];
  const s = server.addInterface({ name: 'eth0', mac: 0x020000000001 });
  const c = client.addInterface({ name: 'eth0', mac: 0x020000000002 });
  s.connect(c);
  c.connect(s);
  server.addAddress(s, ip('10.0.2.2'), 24);
  const options = {
    ...{ stack: server, netif: s, address: ip('10.0.2.2'), prefixLength: 24, router: ip('10.0.2.2') },
    ...{ first: ip('10.0.2.15'), last: ip('10.0.2.16'), nameServers: [ip('10.0.2.3')], leaseSeconds: 1000 },
  };
  const leases: (DhcpLease | undefined)[] = [];
  const start = () =>
    new DhcpClient({
      stack: client,
      netif: c,
      random32: () => host.random32(),
      onLease: (l) => leases.push(l),
    });
  const sleep = (seconds: number) => {
    const end = host.now + seconds * 1e9;
    for (;;) {
      const next = Math.min(server.nextDeadlineNs(), client.nextDeadlineNs());
      if (next > end) break;
      host.now = Math.max(host.now, next);
      server.tick();
      client.tick();
    }
    host.now = end;
  };
  return { host, server, client, s, c, options, leases, start, sleep };
}

test('a client gets an address, routes and name servers, and renews its lease', () => {
  const { client, c, options, leases, start, sleep } = setUp();
  new DhcpServer(options);
  start();
  expect(leases).toEqual([
    {
      ...{ address: ip('10.0.2.15'), prefixLength: 24, router: ip('10.0.2.2'), server: ip('10.0.2.2') },
      ...{ nameServers: [ip('10.0.2.3')], leaseSeconds: 1000 },
    },
  ]);
  expect(client.ipv4.routes.lookup(ip('1.2.3.4'))?.gateway).toBe(ip('10.0.2.2'));
  sleep(600);
  expect(leases.length).toBe(2);
  expect(c.addresses).toEqual([{ address: ip('10.0.2.15'), prefixLength: 24 }]);
});
test('a client whose server has gone loses its address and gets it again when the server is back', () => {
  const { options, c, leases, start, sleep } = setUp();
  const server = new DhcpServer(options);
  start();
  server.close();
  sleep(1300);
  expect([leases.length, leases[1], c.addresses]).toEqual([2, undefined, []]);
  new DhcpServer(options);
  sleep(100);
  expect(leases.length).toBe(3);
});
test('a client that starts before its server asks again', () => {
  const { options, leases, start, sleep } = setUp();
  start();
  sleep(10);
  new DhcpServer(options);
  sleep(20);
  expect(leases.length).toBe(1);
});
test('more clients than addresses: who came first gives way', () => {
  const { host, s, options } = setUp();
  new DhcpServer(options);
  const offered: number[] = [];
  const client = new NetInterface(
    { name: 'x', mac: 3 },
    (_, { data }) => {
      const message = parseDhcp(data.subarray(42));
      if (message !== undefined) offered.push(message.yiaddr & 255);
    },
    () => {},
  );
  s.connect(client);
  const stack = new NetStack(host);
  const out = stack.addInterface({ name: 'y', mac: 4 });
  out.connect(s);
  for (const chaddr of [1, 2, 3, 1, 3]) {
    const message = encodeDhcp({
      ...{ reply: false, xid: 1, secs: 0, broadcast: true, ciaddr: 0, yiaddr: 0, chaddr },
      options: new Map([[DHO_MESSAGE_TYPE, Uint8Array.of(1)]]),
    });
    stack.udp.send(message, {
      source: 0,
      sourcePort: 68,
      destination: 0xffffffff,
      destinationPort: 67,
      netif: out,
    });
  }
  expect(offered).toEqual([15, 16, 15, 16, 15]);
});
test('no bytes make the parser throw, and what it takes it can write again', () => {
  const head = encodeDhcp({
    ...{ reply: false, xid: 1, secs: 0, broadcast: true, ciaddr: 0, yiaddr: 0, chaddr: 5 },
    options: new Map([[DHO_MESSAGE_TYPE, Uint8Array.of(1)]]),
  }).subarray(0, 243);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(243), (tail, keep) => {
      const bytes = new Uint8Array(keep + tail.length);
      bytes.set(head.subarray(0, keep));
      bytes.set(tail, keep);
      const message = parseDhcp(bytes);
      if (message !== undefined) expect(parseDhcp(encodeDhcp(message))).toEqual(message);
    }),
  );
});
test('ordinary frames of other protocols are counted and dropped', () => {
  const { s } = setUp();
  s.transmit(ordinaryFrame(new Uint8Array(60)));
  expect(s.counters.rxDropped).toBe(1);
});
