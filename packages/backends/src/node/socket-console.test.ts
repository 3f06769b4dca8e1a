import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { SocketConsole } from './socket-console.ts';

let directory: string;
let path: string;
let console: SocketConsole;
let typed: string;
let room: number;
let resumed: number;
const clients: Socket[] = [];

async function client(): Promise<Socket> {
  while (!existsSync(path)) await new Promise((resolve) => setTimeout(resolve, 2));
  const socket = connect(path);
  clients.push(socket);
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
}

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'domu-channel-'));
  path = join(directory, 'socket');
  [typed, room, resumed] = ['', Number.POSITIVE_INFINITY, 0];
  console = new SocketConsole({
    path,
    input: (bytes) => {
      const taken = Math.min(room, bytes.length);
      typed += new TextDecoder().decode(bytes.subarray(0, taken));
      room -= taken;
      return taken;
    },
    resume: () => resumed++,
    tell: (text) => expect.unreachable(text),
  });
});
afterEach(() => {
  console.close();
  for (const socket of clients.splice(0)) socket.destroy();
  rmSync(directory, { recursive: true });
});

test('a client reads and types, and what there is no room for waits in order', async () => {
  expect(console.write(new TextEncoder().encode('nobody hears'))).toBe(true);
  const socket = await client();
  socket.write('ls');
  await until(() => typed === 'ls');
  console.write(new TextEncoder().encode('files'));
  expect(`${(await once(socket, 'data'))[0]}`).toBe('files');
  room = 3;
  socket.write('abcdef');
  socket.write('ghi');
  await until(() => typed === 'lsabc');
  room = 100;
  await until(() => typed === 'lsabcdefghi');
});

test('a second client is turned away until the first has gone', async () => {
  const first = await client();
  first.write('1');
  await until(() => typed === '1');
  const second = await client();
  await once(second, 'close');
  first.destroy();
  await until(() => resumed > 0);
  const third = await client();
  third.write('3');
  await until(() => typed === '13');
});

test('a client that does not read holds up the guest, until it does or goes', async () => {
  const socket = await client();
  socket.pause();
  await until(() => !console.write(new Uint8Array(65536)));
  const before = resumed;
  socket.resume();
  await until(() => resumed > before);
});

test('the socket goes with the console', async () => {
  await client();
  console.close();
  await until(() => !existsSync(path));
});
