import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { A, B, NO_OFFLOADS, pattern, TestNet, type WireOptions } from '../testing.ts';
import { IPV4_LOOPBACK } from '../wire/address.ts';
import type { TcpConnection } from './connection.ts';
import type { TcpOptions } from './tcb.ts';

/** Opens a connection from a to b. */
function connect(net: TestNet, options: Partial<TcpOptions> = {}): [TcpConnection, TcpConnection] {
  const listener = net.b.tcp.listen({ address: 0, port: 80, backlog: 8, options })!;
  const client = net.a.tcp.connect(
    { localAddress: A, localPort: 40000, remoteAddress: B, remotePort: 80 },
    options,
  )!;
  net.run(() => listener.readyCount > 0);
  return [client, listener.accept()!];
}

/** Writes all of `data`, then shuts down; as room allows. */
function pour(connection: TcpConnection, data: Uint8Array): () => void {
  let at = 0;
  return () => {
    at += connection.write(data.subarray(at));
    if (at === data.length) connection.shutdown();
  };
}

/** Collects what comes. */
function drink(connection: TcpConnection): { step: () => void; bytes: () => Uint8Array } {
  const chunks: Uint8Array[] = [];
  return {
    step: () => {
      for (let chunk = connection.take(); chunk !== undefined; chunk = connection.take()) chunks.push(chunk);
    },
    bytes: () => {
      const all = new Uint8Array(chunks.reduce((sum, { length }) => sum + length, 0));
      let at = 0;
      for (const chunk of chunks) {
        all.set(chunk, at);
        at += chunk.length;
      }
      return all;
    },
  };
}

/** Sends both ways at once. @returns what arrived */
function exchange(net: TestNet, there: Uint8Array, back: Uint8Array, options: Partial<TcpOptions> = {}) {
  const [client, server] = connect(net, options);
  const steps = [pour(client, there), pour(server, back)];
  const [atServer, atClient] = [drink(server), drink(client)];
  net.run(() => {
    for (const step of [...steps, atServer.step, atClient.step]) step();
    return client.atEnd && server.atEnd;
  });
  net.run();
  return { client, server, there: atServer.bytes(), back: atClient.bytes() };
}

describe('a connection', () => {
  test('carries data both ways and ends in order', () => {
    const net = new TestNet({ delayNs: 1e6 });
    const result = exchange(net, pattern(300_000), pattern(200_000, 7));
    expect(Buffer.compare(result.there, pattern(300_000))).toBe(0);
    expect(Buffer.compare(result.back, pattern(200_000, 7))).toBe(0);
    expect([result.client.closeReason, result.server.closeReason]).toEqual(['done', 'done']);
    expect([net.a.tcp.size, net.b.tcp.size]).toEqual([0, 0]);
  });
  test('is refused where nobody listens', () => {
    const net = new TestNet();
    const events: string[] = [];
    const client = net.a.tcp.connect({ localAddress: A, localPort: 1, remoteAddress: B, remotePort: 2 })!;
    client.onEvent = (event) => events.push(event);
    net.run();
    expect([events, client.closeReason]).toEqual([['closed'], 'refused']);
  });
  test('to a host that is not there fails as unreachable', () => {
    const net = new TestNet();
    const client = net.a.tcp.connect({ localAddress: A, localPort: 1, remoteAddress: B + 1, remotePort: 2 })!;
    net.run();
    expect(client.closeReason).toBe('unreachable');
  });
  test('is given up when the peer falls silent', () => {
    const net = new TestNet();
    const [client] = connect(net);
    net.b.interfaces[0]!.up = false;
    client.write(pattern(10));
    net.run(undefined, 3600e9);
    expect(client.closeReason).toBe('timeout');
  });
  test('with keep-alive notices a peer that is gone', () => {
    const net = new TestNet();
    const [client, server] = connect(net);
    client.setKeepAlive({ idleNs: 10e9, intervalNs: 1e9, count: 3 });
    net.run(undefined, 100e9);
    expect([client.state, server.state]).toEqual(['ESTABLISHED', 'ESTABLISHED']);
    net.b.interfaces[0]!.up = false;
    net.run(undefined, 20e9);
    expect(client.closeReason).toBe('timeout');
  });
  test('opens from both sides at once', () => {
    const net = new TestNet({ delayNs: 1e6 });
    const ends = [
      net.a.tcp.connect({ localAddress: A, localPort: 1000, remoteAddress: B, remotePort: 2000 })!,
      net.b.tcp.connect({ localAddress: B, localPort: 2000, remoteAddress: A, remotePort: 1000 })!,
    ] as const;
    net.run(() => ends.every(({ state }) => state === 'ESTABLISHED'));
    ends[0].write(pattern(100));
    net.run(undefined, 1e9);
    expect([...ends[1].take()!]).toEqual([...pattern(100)]);
  });
  test('to itself is a connection, and its frames come to an end', () => {
    const net = new TestNet();
    net.a.addLoopback();
    const own = { localAddress: IPV4_LOOPBACK, remoteAddress: IPV4_LOOPBACK };
    const self = net.a.tcp.connect({ ...own, localPort: 1000, remotePort: 1000 })!;
    net.run(undefined, 1e9);
    expect(self.state).toBe('ESTABLISHED');
    self.write(pattern(100));
    net.run(undefined, 1e9);
    expect([...self.take()!]).toEqual([...pattern(100)]);
    self.shutdown();
    net.run(undefined, 100e9);
    expect(net.a.tcp.size).toBe(0);
  });
  test('that is aborted resets the peer', () => {
    const net = new TestNet();
    const [client, server] = connect(net);
    client.abort();
    net.run();
    expect([server.closeReason, net.a.tcp.size, net.b.tcp.size]).toEqual(['reset', 0, 0]);
  });
  test('that is closed with unread data resets the peer', () => {
    const net = new TestNet();
    const [client, server] = connect(net);
    client.write(pattern(10));
    net.run(() => server.readableBytes > 0);
    server.close();
    net.run();
    expect(client.closeReason).toBe('reset');
  });
  test('half-closed by one side still carries data the other way', () => {
    const net = new TestNet();
    const [client, server] = connect(net);
    client.shutdown();
    net.run(() => server.atEnd);
    server.write(pattern(1000));
    net.run(() => client.readableBytes === 1000, 1e9);
    expect([client.readableBytes, client.state, server.state]).toEqual([1000, 'FIN_WAIT_2', 'CLOSE_WAIT']);
    server.shutdown();
    client.read(new Uint8Array(1000));
    net.run(() => client.atEnd);
    expect(client.state).toBe('TIME_WAIT');
  });
});

describe('a reader that does not read', () => {
  test('stops the writer; the peer keeps no more than its buffer; reading goes on where it stopped', () => {
    const net = new TestNet();
    const [client, server] = connect(net, { receiveBytes: 10_000, sendBytes: 20_000 });
    const data = pattern(100_000);
    const step = pour(client, data);
    net.run(() => {
      step();
      return false;
    }, 30e9);
    expect(server.readableBytes).toBeLessThanOrEqual(10_000);
    expect(server.readableBytes).toBeGreaterThan(8_000);
    const sink = drink(server);
    net.run(() => {
      step();
      sink.step();
      return server.atEnd;
    });
    expect(Buffer.compare(sink.bytes(), data)).toBe(0);
  });
  test('for an hour does not lose the connection, whose window is probed', () => {
    const net = new TestNet();
    const [client, server] = connect(net, { receiveBytes: 1000 });
    client.write(pattern(5000));
    net.run(undefined, 3600e9);
    expect([client.state, server.readableBytes]).toEqual(['ESTABLISHED', 1000]);
    const sink = drink(server);
    net.run(() => {
      sink.step();
      return sink.bytes().length === 5000;
    }, 120e9);
    expect(sink.bytes()).toEqual(pattern(5000));
  });
});

describe('a listener', () => {
  test('with a full backlog leaves further connections waiting until one is accepted', () => {
    const net = new TestNet();
    const listener = net.b.tcp.listen({ address: 0, port: 80, backlog: 2 })!;
    const clients = [1, 2, 3].map(
      (localPort) => net.a.tcp.connect({ localAddress: A, localPort, remoteAddress: B, remotePort: 80 })!,
    );
    net.run(undefined, 0.5e9);
    expect(listener.readyCount).toBe(2);
    listener.accept();
    net.run(() => listener.readyCount === 2, 5e9);
    expect(clients.map(({ state }) => state)).toEqual(Array(3).fill('ESTABLISHED'));
  });
  test('that closes resets what it has not handed out', () => {
    const net = new TestNet();
    const listener = net.b.tcp.listen({ address: 0, port: 80, backlog: 2 })!;
    const client = net.a.tcp.connect({ localAddress: A, localPort: 1, remoteAddress: B, remotePort: 80 })!;
    net.run(() => listener.readyCount === 1);
    listener.close();
    net.run();
    expect([client.closeReason, net.b.tcp.size]).toEqual(['reset', 0]);
  });
});

describe('a host that stands for the world', () => {
  test.each(['accept', 'abort'] as const)(
    'answers a SYN to any address only after a decision: %s',
    (decision) => {
      const net = new TestNet();
      net.a.ipv4.routes.add({
        destination: 0,
        prefixLength: 0,
        gateway: B,
        netif: net.a.interfaces[0]!,
        metric: 0,
      });
      net.b.ipv4.acceptsAll = true;
      const incoming: TcpConnection[] = [];
      net.b.tcp.onConnection = (connection) => incoming.push(connection);
      const remoteAddress = 0x08080808;
      const client = net.a.tcp.connect({ localAddress: A, localPort: 1, remoteAddress, remotePort: 443 })!;
      net.run(undefined, 5e9);
      expect([client.state, incoming.length, incoming[0]!.addresses.localAddress]).toEqual([
        'SYN_SENT',
        1,
        remoteAddress,
      ]);
      incoming[0]![decision]();
      net.run(undefined, 5e9);
      expect([client.state, client.closeReason]).toEqual(
        decision === 'accept' ? ['ESTABLISHED', undefined] : ['CLOSED', 'refused'],
      );
    },
  );
});

describe('over any cable', () => {
  test('so short that answers come before the sender has finished sending', () => {
    const net = new TestNet({ direct: true });
    const result = exchange(net, pattern(1_000_000), pattern(999_999, 5));
    expect(Buffer.compare(result.there, pattern(1_000_000))).toBe(0);
    expect(Buffer.compare(result.back, pattern(999_999, 5))).toBe(0);
    expect(net.host.now).toBeLessThan(62e9); // TIME_WAIT; no retransmission
  });
  const wires: fc.Arbitrary<WireOptions> = fc.record({
    // With more, one handshake in some hundreds is given up, as it should be.
    loss: fc.constantFrom(0, 0.01, 0.1),
    duplication: fc.constantFrom(0, 0.1),
    reordering: fc.constantFrom(0, 0.1, 0.5),
    delayNs: fc.constantFrom(0, 1e5, 2e7),
    capacity: fc.constantFrom(2, 16, Infinity),
    offloads: fc.constantFrom(undefined, NO_OFFLOADS),
  });
  test('a window probe that was taken and old data sent again do not hide acknowledgements from each other', () => {
    const net = new TestNet({ loss: 0.1, capacity: 2 }, 470206572);
    const data = pattern(95841, 470206572);
    const options = { receiveBytes: 3000, sendBytes: 3000 };
    const result = exchange(net, data, data.subarray(95841 >> 1), options);
    expect([result.there.length, result.client.closeReason]).toEqual([95841, 'done']);
  });
  test('the stream arrives whole, both ways, and the connection ends', () => {
    const buffers = fc.constantFrom(3000, 65536, 1 << 20);
    fc.assert(
      fc.property(wires, fc.nat(), buffers, fc.nat(120_000), (wire, seed, bytes, length) => {
        const net = new TestNet(wire, seed);
        const data = pattern(length, seed);
        const result = exchange(net, data, data.subarray(length >> 1), {
          receiveBytes: bytes,
          sendBytes: bytes,
        });
        expect(Buffer.compare(result.there, data)).toBe(0);
        expect(Buffer.compare(result.back, data.subarray(length >> 1))).toBe(0);
      }),
      { numRuns: 60, seed: 1 },
    );
  });
});
