import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { parseVif } from '@domu/toolstack';
import { afterAll, describe, expect, test } from 'vitest';
import { ASK, domu, guestKernel, HELLO, Sandbox } from '../../test/harness.ts';
import { netOption } from './plan-vifs.ts';

const sandbox = new Sandbox();
afterAll(() => sandbox.remove());
const hello = sandbox.file('hello', guestKernel(HELLO));

describe('--net', () => {
  test.each([
    ['user', 'type=user'],
    [
      'user,hostfwd=tcp:127.0.0.1:2222-:22,mac=00:16:3e:00:00:09',
      'type=user,hostfwd=tcp:127.0.0.1:2222-:22,mac=00:16:3e:00:00:09',
    ],
    ['switch', ''],
    ['switch=lan', 'bridge=lan'],
    ['tap=tap3', 'type=tap,vifname=tap3'],
  ])('%s is one interface: %j', (option, spec) => {
    const parsed = parseVif(spec);
    expect(netOption(option).map(({ value }) => value)).toEqual(parsed.ok ? [parsed.value] : []);
  });

  test('none is no interface', () => {
    expect(netOption('none')).toEqual([]);
  });

  test.each(['bridge', 'user=x', 'switch=', 'none,mtu=1500', 'toString', ''])(
    '%j is refused',
    async (option) => {
      const { code, stderr } = await domu(['run', hello, '--net', option]);
      expect([code, stderr]).toEqual([
        2,
        expect.stringMatching(/^domu: --net: .* is unknown; expected user, switch/),
      ]);
    },
  );
});

describe('user-mode networking', () => {
  test('is there for the run, and ends with it', async () => {
    const { code, stdout, stderr } = await domu(['run', hello, '--net', 'user,hostfwd=tcp:127.0.0.1:0-:22']);
    expect([code, stdout, stderr]).toEqual([0, 'hello, world\r\n', '']);
  });

  test.each([
    ['hostfwd=tcp:22', /^domu: --net: hostfwd=tcp:22: expected tcp:/],
    ['net=10.0.0.0/33', /^domu: --net: net=10.0.0.0\/33: expected ADDRESS\/PREFIX/],
  ])('%j is refused', async (option, message) => {
    const { code, stderr } = await domu(['run', hello, '--net', `user,${option}`]);
    expect([code, stderr]).toEqual([2, expect.stringMatching(message)]);
  });

  test('a port of the host that is taken is told, and the guest runs without it', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const ask = sandbox.file('ask', guestKernel(ASK));
    const script = ['--expect', 'never', '--timeout', '1'];
    const result = await domu(['run', ask, '--net', `user,hostfwd=tcp:127.0.0.1:${port}-:22`, ...script]);
    server.close();
    expect(result.code).toBe(124);
    expect(result.stderr).toMatch(/^domu: hostfwd: tcp port 127\.0\.0\.1:[0-9]+ cannot be opened: /);
  });
});

test('a tap that cannot be had is refused with what is missing', async () => {
  const path = process.env.PATH;
  process.env.PATH = '/nowhere';
  const { code, stderr } = await domu(['run', hello, '--net', 'tap=tap9']);
  process.env.PATH = path;
  expect(code).toBe(2);
  expect(stderr).toMatch(/^domu: --net: type=tap: (socat is not installed|\/dev\/net\/tun cannot be opened)/);
});

describe('--pcap', () => {
  test('names an interface and a file, which is a capture even when nothing passes', async () => {
    const file = sandbox.path('out.pcap');
    const { code } = await domu(['run', hello, '--net', 'switch', '--pcap', `vif0=${file}`]);
    expect([code, readFileSync(file).length]).toEqual([0, 24]);
  });

  test('an interface of another guest is named by the guest too', async () => {
    const [own, other] = ['own.pcap', 'other.pcap'].map((name) => sandbox.path(name));
    const cfg = sandbox.file('second.cfg', `name = "second"\nkernel = "${hello}"\nvif = [ '' ]\n`);
    const captures = ['--pcap', `vif0=${own}`, '--pcap', `second/vif0=${other}`];
    const { code } = await domu(['run', hello, cfg, '--net', 'switch', ...captures]);
    expect([code, readFileSync(own).length, readFileSync(other).length]).toEqual([0, 24, 24]);
  });

  test.each([
    ['third/vif0=out.pcap', /is of no guest; expected hello$/m],
    ['out.pcap', /names no interface; expected vif0=FILE/],
    ['vif1=out.pcap', /has no interface vif1; expected vif0/],
    ['vif0=/nowhere/out.pcap', /cannot be written/],
  ])('%j is refused', async (option, message) => {
    const { code, stderr } = await domu(['run', hello, '--net', 'switch', '--pcap', option]);
    expect([code, stderr]).toEqual([2, expect.stringMatching(message)]);
  });
});
