import { readFileSync } from 'node:fs';
import { parseVif } from '@domu/toolstack';
import { afterAll, describe, expect, test } from 'vitest';
import { domu, guestKernel, HELLO, Sandbox } from '../../test/harness.ts';
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

describe('--pcap', () => {
  test('names an interface and a file, which is a capture even when nothing passes', async () => {
    const file = sandbox.path('out.pcap');
    const { code } = await domu(['run', hello, '--net', 'switch', '--pcap', `vif0=${file}`]);
    expect([code, readFileSync(file).length]).toEqual([0, 24]);
  });

  test.each([
    ['out.pcap', /names no interface; expected vif0=FILE/],
    ['vif1=out.pcap', /has no interface vif1; expected vif0/],
    ['vif0=/nowhere/out.pcap', /cannot be written/],
  ])('%j is refused', async (option, message) => {
    const { code, stderr } = await domu(['run', hello, '--net', 'switch', '--pcap', option]);
    expect([code, stderr]).toEqual([2, expect.stringMatching(message)]);
  });
});
