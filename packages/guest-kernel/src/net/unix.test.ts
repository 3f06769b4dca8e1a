import { beforeEach, describe, expect, test } from 'vitest';
import { fromByteString } from '../abi/bytes.ts';
import { E } from '../abi/errno.ts';
import { POLLHUP, POLLIN, POLLOUT } from '../abi/fcntl.ts';
import { AF_UNIX } from '../abi/socket.ts';
import { NetWorld, type Program } from './testing.ts';
import { encodeUnix } from './unix-names.ts';

const [STREAM, DGRAM, SEQPACKET] = [1, 2, 5];
let world: NetWorld;
let a: Program;
let b: Program;
beforeEach(() => {
  world = new NetWorld();
  a = world.program();
  b = world.program();
});

const at = (program: Program, call: string, fd: number, name: string) => {
  const address = encodeUnix(name);
  return program.start(call, fd, address, address.length);
};

function pair(type: number): [number, number] {
  const va = a.task.allocate(8);
  expect(a.call('socketpair', AF_UNIX, type, 0, va)).toBe(0);
  return [a.task.user.read32(va)!, a.task.user.read32(va + 4)!];
}

/** A msghdr with one buffer and room for control data. @returns its address, and those of the two */
function header(
  program: Program,
  text: string,
  control: Uint8Array,
): { va: number; data: number; control: number } {
  const data = program.place(fromByteString(text));
  const controlVa = program.place(control);
  const vector = program.place(new Uint8Array(Uint32Array.of(data, text.length).buffer));
  const va = program.place(
    new Uint8Array(Uint32Array.of(0, 0, vector, 1, controlVa, control.length, 0).buffer),
  );
  return { va, data, control: controlVa };
}

describe.each(['\0abstract', '/tmp-socket'])('a stream socket at %j', (name) => {
  test('is found, connected to and talked over', () => {
    const listener = a.socket(AF_UNIX, STREAM);
    expect(at(b, 'connect', b.socket(AF_UNIX, STREAM), name).result).toBe(
      name[0] === '/' ? -E.NOENT : -E.CONNREFUSED,
    );
    expect(at(a, 'bind', listener, name).result).toBe(0);
    expect(at(b, 'connect', b.socket(AF_UNIX, STREAM), name).result).toBe(-E.CONNREFUSED);
    expect(a.call('listen', listener, 1)).toBe(0);
    expect(at(b, 'bind', b.socket(AF_UNIX, STREAM), name).result).toBe(-E.ADDRINUSE);
    const client = b.socket(AF_UNIX, STREAM);
    expect(at(b, 'connect', client, name).result).toBe(0);
    expect(a.poll(listener)).toBe(POLLIN | 0x40);
    const server = a.call('accept4', listener, 0, 0, 0);
    expect(b.send(client, 'hello')).toBe(5);
    expect(a.receive(server)).toBe('hello');
    a.task.call('close', server);
    expect(b.receive(client)).toBe('');
    expect(b.send(client, 'x')).toBe(-E.PIPE);
    expect(b.task.signals).toEqual([13]);
    a.task.call('close', listener);
    expect(at(b, 'connect', b.socket(AF_UNIX, STREAM), name).result).toBe(-E.CONNREFUSED);
  });
});

describe('a pair', () => {
  test('of streams runs bytes together, of messages keeps them apart', () => {
    for (const [type, expected] of [
      [STREAM, 'onetwo'],
      [SEQPACKET, 'one'],
      [DGRAM, 'one'],
    ] as const) {
      const [x, y] = pair(type);
      a.send(x, 'one');
      a.send(x, 'two');
      expect(a.receive(y)).toBe(expected);
    }
  });
  test('is full at its limit: the writer waits, and goes on when it is read', () => {
    const [x, y] = pair(STREAM);
    const writing = a.start('sendto', x, new Uint8Array(500_000), 500_000, 0);
    expect(writing.result).toBeUndefined();
    expect(a.poll(x) & POLLOUT).toBe(0);
    let read = 0;
    while (read < 500_000) read += (a.receive(y, 65536) as string).length;
    expect(writing.result).toBe(500_000);
  });
  test('tells of the end: hang-up, and what is left can be read', () => {
    const [x, y] = pair(STREAM);
    a.send(x, 'last');
    a.task.call('close', x);
    expect(a.poll(y) & (POLLIN | POLLHUP)).toBe(POLLIN | POLLHUP);
    expect([a.receive(y), a.receive(y)]).toEqual(['last', '']);
  });
});

describe('open files', () => {
  const rights = (...fds: number[]) =>
    new Uint8Array(Uint32Array.of(12 + 4 * fds.length, 1, 1, ...fds).buffer);
  test('pass to the receiver, who has them although the sender has closed them', () => {
    const [x, y] = pair(STREAM);
    a.task.writeFile('/file', 'contents');
    const fd = a.task.call('open', '/file', 0);
    expect(a.call('sendmsg', x, header(a, 'take', rights(fd)).va, 0)).toBe(4);
    a.task.call('close', fd);
    const message = header(a, '........', new Uint8Array(64));
    expect(a.call('recvmsg', y, message.va, 0)).toBe(4);
    const received = a.task.user.read32(message.control + 12)!;
    expect(a.task.readText(received)).toBe('contents');
    expect(a.task.user.read32(message.va + 20)).toBe(16);
  });
  test('that nobody receives are closed', () => {
    const [x, y] = pair(STREAM);
    const [p, q] = pair(STREAM);
    a.call('sendmsg', x, header(a, 'take', rights(q)).va, 0);
    a.task.call('close', q);
    expect(a.poll(p) & POLLHUP).toBe(0);
    a.task.call('close', y);
    expect(a.poll(p) & POLLHUP).toBe(POLLHUP);
  });
  test('that are none are refused', () => {
    const [x] = pair(STREAM);
    expect(a.call('sendmsg', x, header(a, 'take', rights(77)).va, 0)).toBe(-E.BADF);
  });
});

test('there is an end to what waits in sockets, bytes and files, and all of it is given back', () => {
  const { holdings } = world.world.side.vfs;
  const [x, y] = pair(STREAM);
  const before = { bytes: holdings.bytes, files: holdings.files };
  expect(a.send(x, 'hello')).toBe(5);
  expect(holdings.bytes).toBeGreaterThan(before.bytes + 5);
  const rest = holdings.maxBytes - holdings.bytes;
  holdings.bytes += rest;
  expect(a.send(x, 'more')).toBe(-E.NOBUFS);
  holdings.bytes -= rest;
  expect(a.receive(y)).toBe('hello');
  expect(holdings.bytes).toBe(before.bytes);
  const control = new Uint8Array(Uint32Array.of(16, 1, 1, x).buffer);
  holdings.files += 1000;
  expect(a.call('sendmsg', x, header(a, 'take', control).va, 0)).toBe(4);
  holdings.files = holdings.maxFiles;
  expect(a.call('sendmsg', x, header(a, 'take', control).va, 0)).toBe(-E.TOOMANYREFS);
  holdings.files = before.files + 1;
  for (const fd of [x, y]) a.task.call('close', fd);
  expect(holdings).toMatchObject({ bytes: before.bytes, files: before.files - 2 });
});

test('datagrams go to a name, with the name of the sender', () => {
  const server = a.socket(AF_UNIX, DGRAM);
  at(a, 'bind', server, '\0log');
  const client = b.socket(AF_UNIX, DGRAM);
  at(b, 'bind', client, '\0me');
  const to = encodeUnix('\0log');
  expect(b.call('sendto', client, Uint8Array.of(1, 2), 2, 0, to, to.length)).toBe(2);
  const from = a.task.allocate(110);
  const length = a.place(new Uint8Array(Int32Array.of(110).buffer));
  expect(a.call('recvfrom', server, a.task.allocate(9), 9, 0, from, length)).toBe(2);
  expect(a.bytes(from, a.task.user.read32(length)!)).toEqual(encodeUnix('\0me'));
});

test('SO_PEERCRED tells who connected', () => {
  const [x] = pair(STREAM);
  expect(a.option(x, 1, 17)).toBe(a.task.caller.pid);
});
