import { ordinaryFrame } from '@domu/netstack';
import { beforeEach, describe, expect, test } from 'vitest';
import { E } from '../abi/errno.ts';
import { POLLERR, POLLHUP, POLLIN, POLLOUT } from '../abi/fcntl.ts';
import {
  AF_INET,
  AF_PACKET,
  SIOCADDRT,
  SIOCGIFADDR,
  SIOCGIFFLAGS,
  SIOCGIFHWADDR,
  SIOCSIFADDR,
  SIOCSIFNETMASK,
} from '../abi/socket.ts';
import { runSync } from '../fs/kernel-caller.ts';
import { encodeInet, encodeLink } from './address.ts';
import { procNet, sysNet } from './proc-net.ts';
import { inet, NetWorld, type Program } from './testing.ts';

const [STREAM, DGRAM, RAW] = [1, 2, 3];
const NONBLOCK = 0o4000;
let world: NetWorld;
let server: Program;
let client: Program;
beforeEach(() => {
  world = new NetWorld();
  server = world.program();
  client = world.program();
});

function listenAt(port: number, backlog = 5): number {
  const fd = server.socket(AF_INET, STREAM);
  expect(server.at('bind', fd, `0.0.0.0:${port}`).result).toBe(0);
  expect(server.call('listen', fd, backlog)).toBe(0);
  return fd;
}

/** @returns the client's and the server's descriptor */
function connected(port = 80): [number, number] {
  const listener = listenAt(port);
  const fd = client.socket(AF_INET, STREAM);
  expect(client.at('connect', fd, `127.0.0.1:${port}`).result).toBe(0);
  return [fd, server.call('accept4', listener, 0, 0, 0)];
}

describe('stream sockets', () => {
  test('connect, talk, and end', () => {
    const [c, s] = connected();
    expect(client.send(c, 'hello')).toBe(5);
    expect(server.receive(s)).toBe('hello');
    expect(server.send(s, 'you')).toBe(3);
    expect(client.receive(c)).toBe('you');
    expect(client.name('getpeername', c)).toBe('127.0.0.1:80');
    expect(server.name('getpeername', s)).toBe(client.name('getsockname', c));
    expect(client.call('shutdown', c, 1)).toBe(0);
    expect(server.receive(s)).toBe('');
    expect(server.send(s, 'still')).toBe(5);
    expect(client.receive(c)).toBe('still');
    server.task.call('close', s);
    expect(client.receive(c)).toBe('');
  });
  test('a reader sleeps until something comes', () => {
    const [c, s] = connected();
    const reading = server.start('recvfrom', s, server.task.allocate(10), 10, 0);
    expect(reading.result).toBeUndefined();
    client.send(c, 'now');
    expect(reading.result).toBe(3);
  });
  test('a connection that nobody accepts in time is still made, one that nobody listens for is refused', () => {
    const fd = client.socket(AF_INET, STREAM);
    expect(client.at('connect', fd, '127.0.0.1:81').result).toBe(-E.CONNREFUSED);
    expect(client.at('connect', client.socket(AF_INET, STREAM), '10.9.9.9:81').result).toBe(-E.NETUNREACH);
  });
  test('without waiting: in progress, then the outcome by SO_ERROR', () => {
    const fd = client.socket(AF_INET, STREAM | NONBLOCK);
    // Over the loopback the answer is there at once.
    const result = client.at('connect', fd, '127.0.0.1:81').result!;
    expect([-E.INPROGRESS, -E.CONNREFUSED]).toContain(result);
    expect(client.receive(fd)).toBe(-E.NOTCONN);
  });
  test('writing to who has gone is refused with SIGPIPE, unless it is not wanted', () => {
    const [c, s] = connected();
    server.task.call('close', s);
    client.send(c, 'x');
    const refused = client.send(c, 'y');
    expect([-E.PIPE, -E.CONNRESET]).toContain(refused);
    expect(client.send(c, 'z', 0x4000)).toBe(-E.PIPE);
    expect(client.send(c, 'z')).toBe(-E.PIPE);
    expect(client.task.signals).toContain(13);
  });
  test('a writer that is not read from waits, and goes on', () => {
    const [c, s] = connected();
    const data = new Uint8Array(3 << 20).map((_, at) => at * 7);
    const writing = client.start('sendto', c, data, data.length, 0);
    expect(writing.result).toBeUndefined();
    const va = server.task.allocate(65536);
    for (let read = 0; read < data.length; ) {
      const { result } = server.start('recvfrom', s, va, 65536, 0);
      expect(Buffer.compare(server.bytes(va, result!), data.subarray(read, read + result!))).toBe(0);
      read += result!;
    }
    expect(writing.result).toBe(data.length);
  });
  test('poll tells what can be done', () => {
    const listener = listenAt(80);
    expect(server.poll(listener)).toBe(0);
    const fd = client.socket(AF_INET, STREAM);
    expect(client.poll(fd) & POLLHUP).toBe(POLLHUP);
    client.at('connect', fd, '127.0.0.1:80');
    expect(server.poll(listener) & POLLIN).toBe(POLLIN);
    const s = server.call('accept4', listener, 0, 0, 0);
    expect([client.poll(fd) & (POLLIN | POLLOUT), server.poll(s) & (POLLIN | POLLOUT)]).toEqual([
      POLLOUT,
      POLLOUT,
    ]);
    client.send(fd, 'x');
    expect(server.poll(s) & POLLIN).toBe(POLLIN);
    server.task.call('close', s);
    expect(client.poll(fd) & (POLLERR | POLLHUP)).not.toBe(0);
  });
  test('a port is taken once, and by others only as SO_REUSEADDR allows', () => {
    listenAt(80);
    const fd = server.socket(AF_INET, STREAM);
    expect(server.at('bind', fd, '127.0.0.1:80').result).toBe(-E.ADDRINUSE);
    server.setOption(fd, 1, 2, 1);
    expect(server.at('bind', fd, '0.0.0.0:80').result).toBe(-E.ADDRINUSE);
    expect(server.at('bind', fd, '1.2.3.4:81').result).toBe(-E.ADDRNOTAVAIL);
  });
  test('timeouts: SO_RCVTIMEO ends a wait', () => {
    const [, s] = connected();
    server.setOption(s, 1, 20, 1);
    const reading = server.start('recvfrom', s, server.task.allocate(10), 10, 0);
    expect(reading.sleep?.deadline).toBe(world.world.nowNs + 1_000_000_000n);
    reading.wake('timeout');
    expect(reading.result).toBe(-E.AGAIN);
  });
  test('MSG_PEEK leaves what it shows', () => {
    const [c, s] = connected();
    client.send(c, 'abc');
    expect([server.receive(s, 2, 2), server.receive(s)]).toEqual(['ab', 'abc']);
  });
});

describe('datagram sockets', () => {
  test('send and receive with addresses; what is too long for the buffer is cut', () => {
    const s = server.socket(AF_INET, DGRAM);
    server.at('bind', s, '0.0.0.0:53');
    const c = client.socket(AF_INET, DGRAM);
    expect(client.sendTo(c, 'question', '127.0.0.1:53')).toBe(8);
    const va = server.task.allocate(16);
    const length = server.place(new Uint8Array(Int32Array.of(16).buffer));
    expect(server.call('recvfrom', s, server.task.allocate(9), 4, 0x20, va, length)).toBe(8);
    expect(server.bytes(va, 16)).toEqual(
      inet(client.name('getsockname', c).toString().replace('0.0.0.0', '127.0.0.1')),
    );
  });
  test('connected ones hear only their peer, and that nobody is there', () => {
    const c = client.socket(AF_INET, DGRAM);
    client.at('connect', c, '127.0.0.1:9');
    client.send(c, 'anybody?');
    expect(client.send(c, 'hello?')).toBe(-E.CONNREFUSED);
    const other = server.socket(AF_INET, DGRAM);
    const [, port] = client.name('getsockname', c).toString().split(':');
    server.sendTo(other, 'psst', `127.0.0.1:${port}`);
    expect(client.receive(c, 10, 0x40)).toBe(-E.AGAIN);
  });
  test('broadcasts must be allowed', () => {
    const c = client.socket(AF_INET, DGRAM);
    expect(client.sendTo(c, 'all', '255.255.255.255:9')).toBe(-E.ACCES);
  });
});

test('a ping comes back, raw and plain', () => {
  const echo = Uint8Array.of(8, 0, 0xf7, 0xfd, 0, 1, 0, 1);
  const raw = client.socket(AF_INET, RAW, 1);
  expect(client.call('sendto', raw, echo, 8, 0, inet('127.0.0.1'), 16)).toBe(8);
  const seen = [client.receive(raw), client.receive(raw)] as string[];
  expect(seen.map((text) => text.charCodeAt(20))).toEqual([8, 0]);
  const ping = client.socket(AF_INET, DGRAM, 1);
  client.call('sendto', ping, echo, 8, 0, inet('127.0.0.1'), 16);
  expect((client.receive(ping) as string).charCodeAt(0)).toBe(0);
  expect(world.program({ uid: 5, euid: 5, fsuid: 5 }).socket(AF_INET, RAW, 1)).toBe(-E.PERM);
});

describe('interfaces', () => {
  const frames: Uint8Array[] = [];
  beforeEach(() => {
    frames.length = 0;
    world.net.plug(
      {
        attach: () => ({
          offloads: { checksum: false, tcpv4: false, tcpv6: false },
          transmit: ({ data }) => frames.push(data.slice()) > 0,
          resume() {},
          close() {},
        }),
      },
      0x00163e010203,
    );
  });
  const ioctl = (fd: number, cmd: number, bytes: Uint8Array): [number, Uint8Array] => {
    const va = client.place(bytes);
    const handle = client.task.files.get(fd)!;
    const result = runSync(handle.ioctl(cmd, va, client.task.user, client.task.caller));
    return [result, client.bytes(va, bytes.length)];
  };
  const ifreq = (name: string, address?: string): Uint8Array => {
    const bytes = new Uint8Array(32);
    for (let at = 0; at < name.length; at++) bytes[at] = name.charCodeAt(at);
    if (address !== undefined) bytes.set(inet(address), 16);
    return bytes;
  };
  test('are configured by ioctl as ifconfig and route do it', () => {
    const fd = client.socket(AF_INET, DGRAM);
    expect(ioctl(fd, SIOCGIFADDR, ifreq('eth0'))[0]).toBe(-E.ADDRNOTAVAIL);
    expect(ioctl(fd, SIOCGIFADDR, ifreq('eth7'))[0]).toBe(-E.NODEV);
    expect(ioctl(fd, SIOCSIFADDR, ifreq('eth0', '10.0.2.15'))[0]).toBe(0);
    expect(ioctl(fd, SIOCSIFNETMASK, ifreq('eth0', '255.255.255.0'))[0]).toBe(0);
    expect(ioctl(fd, SIOCGIFADDR, ifreq('eth0'))[1].slice(16)).toEqual(inet('10.0.2.15'));
    expect(ioctl(fd, SIOCGIFHWADDR, ifreq('eth0'))[1].slice(16, 24)).toEqual(
      Uint8Array.of(1, 0, 0, 0x16, 0x3e, 1, 2, 3),
    );
    expect(new DataView(ioctl(fd, SIOCGIFFLAGS, ifreq('eth0'))[1].buffer).getUint16(16, true) & 0x43).toBe(
      0x43,
    );
    const route = new Uint8Array(84);
    route.set(encodeInet({ address: 0, port: 0 }), 4);
    route.set(inet('10.0.2.2'), 20);
    route.set(encodeInet({ address: 0, port: 0 }), 36);
    route[52] = 3;
    expect(ioctl(fd, SIOCADDRT, route)[0]).toBe(0);
    expect(world.net.stack.ipv4.routes.lookup(0x08080808)?.gateway).toBe(0x0a000202);
    const user = world.program({ uid: 5, euid: 5, fsuid: 5 });
    const handle = user.task.files.get(user.socket(AF_INET, DGRAM))!;
    const va = user.place(ifreq('eth0', '1.2.3.4'));
    expect(runSync(handle.ioctl(SIOCSIFADDR, va, user.task.user, user.task.caller))).toBe(-E.PERM);
  });
  test('packet sockets send and see frames, as udhcpc needs it', () => {
    const [netif] = world.net.stack.interfaces.slice(1);
    netif!.up = true;
    const fd = client.socket(AF_PACKET, DGRAM, 0x0008);
    const link = {
      protocol: 0x0800,
      ifindex: 2,
      packetType: 0,
      hardwareType: 0,
      address: new Uint8Array(6).fill(255),
    };
    expect(client.call('bind', fd, encodeLink(link), 20)).toBe(0);
    expect(client.call('sendto', fd, Uint8Array.of(0x45, 1, 2), 3, 0, encodeLink(link), 20)).toBe(3);
    expect(frames[0]).toEqual(
      Uint8Array.of(255, 255, 255, 255, 255, 255, 0, 0x16, 0x3e, 1, 2, 3, 8, 0, 0x45, 1, 2),
    );
    netif!.transmit(ordinaryFrame(frames[0]!));
    netif!.transmit(ordinaryFrame(Uint8Array.of(...frames[0]!.subarray(0, 12), 8, 6)));
    expect(client.receive(fd)).toBe('E\u0001\u0002');
    expect(client.receive(fd, 10, 0x40)).toBe(-E.AGAIN);
  });
});

test('/proc/net shows interfaces, routes and sockets as Linux does', () => {
  listenAt(80);
  const files = procNet({ network: world.net });
  expect(files.tcp!().split('\n')[1]!.trimEnd()).toMatch(
    /^ {3}0: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000 {5}0 {8}0 0 1/,
  );
  expect(files.dev!()).toMatch(/^ {4}lo: {7}0 {7}0 {4}0/m);
  expect(files.route!().split('\n').length).toBe(2);
  expect(sysNet(world.net).lo).toMatchObject({ mtu: '65520', operstate: 'unknown', type: '772' });
});
