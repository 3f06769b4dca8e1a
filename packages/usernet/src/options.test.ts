import { expect, test } from 'vitest';
import { DEFAULT_OPTIONS, parseForward, parseUserOptions } from './options.ts';

const parse = (...settings: string[]) =>
  parseUserOptions(
    settings.map((text) => ({ key: text.split('=')[0]!, value: text.slice(text.indexOf('=') + 1) })),
  );

test('no options give the usual layout', () => {
  expect(parse()).toEqual({ ok: true, value: DEFAULT_OPTIONS });
});
test('all of them are read', () => {
  const parsed = parse(
    ...['hostfwd=tcp:127.0.0.1:2222-:22', 'net=192.168.7.0/24', 'dns=127.0.0.1:5353', 'hostname=box'],
    ...['restrict=yes', 'hostfwd=udp::53-192.168.7.9:5353', 'dhcpstart=192.168.7.20'],
  );
  expect(parsed.ok && parsed.value).toEqual({
    ...DEFAULT_OPTIONS,
    ...{ network: 0xc0a80700, gateway: 0xc0a80702, nameServer: 0xc0a80703, dhcpStart: 0xc0a80714 },
    ...{ resolver: { address: '127.0.0.1', port: 5353 }, hostName: 'box', restrict: true },
    forwards: [
      {
        ...{ protocol: 'tcp', host: { address: '127.0.0.1', port: 2222 } },
        ...{ guestAddress: undefined, guestPort: 22 },
      },
      {
        ...{ protocol: 'udp', host: { address: '127.0.0.1', port: 53 } },
        ...{ guestAddress: 0xc0a80709, guestPort: 5353 },
      },
    ],
  });
});
test.each([
  ['net=10.0.2.0', 'expected ADDRESS/PREFIX'],
  ['net=10.0.2.0/30', 'expected ADDRESS/PREFIX'],
  ['gateway=11.0.0.1', 'gateway is not inside the net'],
  ['dhcpstart=10.0.2.2', 'dhcpstart is the gateway'],
  ['dns=nowhere', 'expected ADDRESS'],
  ['dns=1.1.1.1:99999', 'expected ADDRESS'],
  ['restrict=maybe', 'expected yes or no'],
  ['hostname=-_-', 'expected a host name'],
  ['hostfwd=tcp:1-2', 'expected tcp:'],
  ['mtu=9', 'unknown option'],
])('%s is refused', (text, error) => {
  const parsed = parse(text);
  expect(parsed.ok ? '' : parsed.error).toContain(error);
});
test.each(['tcp:1.2.3:1-:2', 'tcp::70000-:2', 'tcp::1-:0', 'tcp::1-999.1.1.1:1', 'sctp::1-:2'])(
  'the forward %s is refused',
  (text) => expect(parseForward(text)).toBeUndefined(),
);
