import { existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Sandbox } from '../../test/harness.ts';
import { ControlClient, findMachine, runningMachines } from './client.ts';
import { LineSplitter, MAX_LINE_BYTES, parseRequest } from './protocol.ts';
import { runtimeDir, socketPath } from './runtime-dir.ts';
import { ControlError, ControlServer } from './server.ts';

const sandbox = new Sandbox();
afterAll(() => sandbox.remove());
let dir: string;
let count = 0;
const servers: ControlServer[] = [];

beforeEach(() => {
  dir = sandbox.path(`rt${count++}`);
  process.env.DOMU_RUNTIME_DIR = dir;
});
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
  delete process.env.DOMU_RUNTIME_DIR;
});

async function serve(name: string): Promise<ControlServer> {
  const server = new ControlServer({
    hello: () => ({ protocol: 1, pid: process.pid, guests: [{ domid: 1, name }] }),
    echo: (params) => params,
    refuse: () => {
      throw new ControlError('not today');
    },
    tick: (_, { send }) => {
      for (let i = 0; i < 3; i++) send(i);
    },
    flood: (_, { send }) => {
      for (let i = 0; i < 100; i++) send('x'.repeat(100_000));
    },
  });
  servers.push(server);
  expect(await server.listen(dir)).toBeNull();
  return server;
}

async function client(server: ControlServer): Promise<ControlClient> {
  const connected = await ControlClient.connect(server.path ?? '');
  if (connected === null) throw new Error('not connected');
  return connected;
}

describe('the control socket', () => {
  test('answers requests by their ids, sends events, and says what is wrong', async () => {
    const one = await client(await serve('a'));
    expect(await Promise.all([one.request('echo', { x: 1 }), one.request('echo', { x: 2 })])).toEqual([
      { x: 1 },
      { x: 2 },
    ]);
    await expect(one.request('refuse')).rejects.toThrow('not today');
    await expect(one.request('nothing')).rejects.toThrow('there is no method "nothing"');
    const events: unknown[] = [];
    await one.request('tick', {}, (event) => events.push(event));
    expect(events).toEqual([0, 1, 2]);
    one.close();
    await one.closed;
  });

  test('only its owner may use it', async () => {
    const { path } = await serve('a');
    expect(statSync(dir).mode & 0o777).toBe(0o700);
    expect(path).toBe(socketPath(dir, process.pid, 0));
  });

  test('nonsense gets an answer, a line without end ends the connection, and so does a reader who does not read', async () => {
    const server = await serve('a');
    const answer = (text: string): Promise<string> =>
      new Promise((resolve) => {
        const socket = connect(server.path ?? '', () => socket.write(text));
        let got = '';
        socket.on('data', (bytes) => {
          got += bytes;
          socket.destroy();
        });
        socket.on('error', () => {});
        socket.on('close', () => resolve(got));
      });
    expect(await answer('{\n')).toBe('{"id":0,"error":"not a request: not JSON"}\n');
    expect(await answer('[]\n')).toMatch(/id is not an integer/);
    expect(await answer('x'.repeat(MAX_LINE_BYTES + 2))).toBe('');
    const lazy = connect(server.path ?? '', () => lazy.write('{"id":1,"method":"flood"}\n'));
    lazy.pause();
    await new Promise((resolve) => lazy.on('close', resolve).resume());
  });

  test('takes no more than a few connections', async () => {
    const server = await serve('a');
    const clients = await Promise.all(Array.from({ length: 20 }, () => client(server)));
    const answers = await Promise.allSettled(clients.map((each) => each.request('echo')));
    expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(16);
    for (const each of clients) each.close();
  });

  test('is gone with its machine, and its clients are told', async () => {
    const server = await serve('a');
    const { path } = server;
    const one = await client(server);
    const never = one.request('echo').then(() => one.request('echo'));
    await never;
    server.close();
    await one.closed;
    expect(existsSync(path ?? '')).toBe(false);
  });

  test('a folder that cannot be used is a reason, not an error', async () => {
    const file = sandbox.file('file', '');
    expect(await new ControlServer({}).listen(join(file, 'x'))).toMatch(/ENOTDIR/);
    expect(await new ControlServer({}).listen(file)).toMatch(/EEXIST|not a directory/);
  });
});

describe('finding a machine', () => {
  test('sockets that nobody listens on are removed', async () => {
    mkdirSync(dir, { mode: 0o700 });
    const stale = socketPath(dir, 999_999_999, 0);
    const server = createServer().listen(stale);
    await new Promise((resolve) => server.on('listening', resolve));
    // Without its removal, as a process leaves it that was killed.
    const { renameSync } = await import('node:fs');
    renameSync(stale, `${stale}.kept`);
    await new Promise((resolve) => server.close(resolve));
    renameSync(`${stale}.kept`, stale);
    writeFileSync(join(dir, 'other'), '');
    await serve('a');
    const machines = await runningMachines(dir);
    expect(machines.map(({ hello }) => hello.guests[0].name)).toEqual(['a']);
    expect([existsSync(stale), existsSync(join(dir, 'other'))]).toEqual([false, true]);
    for (const machine of machines) machine.client.close();
  });

  test('none, one, several, by name', async () => {
    await expect(findMachine(null)).rejects.toThrow('no machine runs; start one with domu run');
    await serve('first');
    (await findMachine(null)).client.close();
    await serve('second');
    const pid = process.pid;
    await expect(findMachine(null)).rejects.toThrow(
      `several machines run: ${pid} (first); ${pid} (second); name one with --name`,
    );
    const { client: found, hello } = await findMachine('second');
    expect(hello.guests[0].name).toBe('second');
    found.close();
    await expect(findMachine('third')).rejects.toThrow(/^--name: no machine "third"; expected one of /);
  });

  test('where the sockets are', () => {
    expect(runtimeDir({ DOMU_RUNTIME_DIR: '/x' })).toBe('/x');
    expect(runtimeDir({ XDG_RUNTIME_DIR: '/run/user/1' })).toBe('/run/user/1/domu');
    expect(runtimeDir({})).toMatch(/\/domu-\w+$/);
  });
});

test('lines are cut whatever pieces they come in', () => {
  const lines: string[] = [];
  const splitter = new LineSplitter((line) => lines.push(line));
  for (const piece of ['a', 'b\nc', '\n\nd']) splitter.push(Buffer.from(piece));
  expect(lines).toEqual(['ab', 'c', '']);
  expect(parseRequest('{"id":1,"method":"x"}')).toEqual({ id: 1, method: 'x', params: {} });
  for (const bad of ['null', '{"id":1.5}', '{"id":1}', '{"id":1,"method":"x","params":3}'])
    expect(typeof parseRequest(bad)).toBe('string');
});
