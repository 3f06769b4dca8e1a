import { describe, expect, test } from 'vitest';
import { parseXlCfg } from './domain-config.ts';
import { parseVif } from './vif.ts';
import { formatMac, generateMac, planVifs } from './vif-plan.ts';

const UUID = 'd6b4c0ae-0000-4000-8000-0123456789ab';

function parsed(spec: string) {
  const result = parseVif(spec);
  if (!result.ok) throw new Error(result.error);
  return result.value;
}

describe('parseVif', () => {
  test('keywords and flags, all optional', () => {
    expect(parsed('')).toEqual({
      mac: null,
      devid: null,
      mtu: null,
      network: { kind: 'switch', name: 'xenbr0' },
      host: {},
    });
    const spec =
      'mac=00:16:3E:74:3d:76, model=rtl8139,bridge=lan,mtu=1400,devid=2,untrusted,script=vif-bridge';
    expect(parsed(spec)).toEqual({
      mac: [0x00, 0x16, 0x3e, 0x74, 0x3d, 0x76],
      devid: 2,
      mtu: 1400,
      network: { kind: 'switch', name: 'lan' },
      host: { model: 'rtl8139', bridge: 'lan', script: 'vif-bridge' },
    });
  });

  test.each([
    ['type=none', { kind: 'none' }],
    ['type=tap,vifname=tap7', { kind: 'tap', name: 'tap7' }],
    ['type=ioemu', { kind: 'switch', name: 'xenbr0' }],
    [
      'type=user,hostfwd=tcp:127.0.0.1:2222-:22,hostfwd=udp::5353-:53,net=10.1.0.0/24',
      {
        kind: 'user',
        options: [
          { key: 'hostfwd', value: 'tcp:127.0.0.1:2222-:22' },
          { key: 'hostfwd', value: 'udp::5353-:53' },
          { key: 'net', value: '10.1.0.0/24' },
        ],
      },
    ],
  ])('%j says what the interface is plugged into', (spec, network) => {
    expect(parsed(spec).network).toEqual(network);
  });

  test.each([
    ['mac=00:16:3e:1', /not a unicast MAC address; expected six bytes/],
    ['mac=01:00:5e:00:00:01', /not a unicast MAC/],
    ['speed=1', /unknown parameter "speed"/],
    ['hostfwd', /unknown parameter "hostfwd"/],
    ['backend=driverdom', /backend "driverdom" is not supported/],
    ['mtu=many', /mtu "many" is not a number/],
    ['mtu=12', /mtu "12" is not a number from 68/],
    ['devid=256', /devid "256" is not a number up to 255/],
    ['type=bridge', /type "bridge" is unknown; expected vif, user, tap or none/],
    ['hostfwd=tcp::1-:1', /hostfwd is for user-mode networking/],
    ['type=user,bridge=lan', /bridge and type=user exclude each other/],
  ])('%j is refused', (spec, message) => {
    const result = parseVif(spec);
    expect(result.ok ? 'no error' : result.error).toMatch(message);
  });
});

test('a rate is taken, and warned of since nobody keeps to it', () => {
  const config = parseXlCfg("kernel = 'k'\nvif = [ 'rate=10Mb/s', '' ]\n", 'x.cfg');
  expect(config.ok && config.value.warnings).toEqual(['x.cfg:2:9: vif: rate: not supported here; ignored']);
});

describe('planVifs', () => {
  const plan = (...specs: string[]) =>
    planVifs(
      specs.map((spec, i) => ({ value: parsed(spec), where: `vif ${i}` })),
      UUID,
    );

  test('device numbers count around those that were asked for', () => {
    const planned = plan('', 'devid=0', '', 'devid=1', '');
    expect(planned.ok && planned.value.map(({ value }) => value.devid)).toEqual([2, 0, 3, 1, 4]);
    expect(plan('devid=1', 'devid=1')).toEqual({
      ok: false,
      error: "vif 1: devid 1 is another interface's",
    });
  });

  test('an address that was not given is of Xen and always the same', () => {
    const macs = [0, 1, 2, 3, 4].map((devid) => formatMac(generateMac(UUID, devid)));
    for (const mac of macs) expect(mac).toMatch(/^00:16:3e:[0-7][0-9a-f]:[0-9a-f]{2}:[0-9a-f]{2}$/);
    expect(new Set(macs).size).toBe(5);
    expect(formatMac(generateMac(UUID, 0))).toBe(macs[0]);
    expect(formatMac(generateMac(UUID.replace('d', 'e'), 0))).not.toBe(macs[0]);
    const planned = plan('', 'mac=02:00:00:00:00:01');
    expect(planned.ok && planned.value.map(({ value }) => formatMac(value.mac))).toEqual([
      macs[0],
      '02:00:00:00:00:01',
    ]);
  });
});
