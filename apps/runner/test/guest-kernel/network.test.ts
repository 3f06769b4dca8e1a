/** busybox on the user-mode network: fetches from the host, serves to it. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, get } from 'node:http';
import type { AddressInfo, Server } from 'node:net';
import { afterAll, expect, test } from 'vitest';
import { domu, freePort, Sandbox } from '../harness.ts';
import { busyboxRoot, fetchedBusybox } from './busybox-world.ts';

const RUN_TIMEOUT_MS = 120_000;

const sandbox = new Sandbox();
const busybox = fetchedBusybox();
afterAll(() => sandbox.remove());

async function listening(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

async function run(busybox: string, init: readonly string[], ...options: string[]) {
  const setUp = ['mount -t devtmpfs dev /dev'];
  const ramdisk = sandbox.file(
    'root.cpio',
    busyboxRoot(busybox, [...setUp, ...init, 'poweroff -f'].join('\n')),
  );
  const common = ['--ramdisk', ramdisk, '--memory', '64', '--timeout', '100'];
  return await domu(['run', 'guest-kernel', ...common, ...options]);
}

const LEASED = 'until ifconfig eth0 | grep -q "inet addr"; do usleep 20000; done';

test(
  'DHCP by the kernel, wget with a matching checksum, a refused port, a ping',
  async ({ skip }) => {
    const fixture = busybox();
    if (fixture.missing !== undefined) return skip(fixture.missing);
    const body = Buffer.alloc(3_000_000, 'domu 0123456789 ');
    const server = createServer((_, response) => response.end(body));
    const [port, closed] = [await listening(server), await freePort()];
    const result = await run(
      fixture.busybox,
      [
        LEASED,
        `wget -q -O - http://10.0.2.2:${port}/ | sha1sum`,
        `wget -q -O - http://10.0.2.2:${closed}/ || echo refused`,
        'ping -c 1 10.0.2.2 | grep "1 packets received"',
        'cat /etc/resolv.conf',
      ],
      ...['--net', 'user', '--cmdline', 'quiet'],
    );
    server.close();
    expect(result).toMatchObject({ code: 0 });
    expect(result.stdout).toContain(createHash('sha1').update(body).digest('hex'));
    for (const line of ['refused', '1 packets received', 'nameserver 10.0.2.3'])
      expect(result.stdout).toContain(line);
  },
  RUN_TIMEOUT_MS,
);

test(
  'udhcpc configures the interface, httpd serves through a port forward',
  async ({ skip }) => {
    const fixture = busybox();
    if (fixture.missing !== undefined) return skip(fixture.missing);
    const port = await freePort();
    let served = '';
    const fetching = setInterval(() => {
      const request = get({ port, host: '127.0.0.1', path: '/page' }, (response) =>
        response.on('data', (chunk) => {
          served += chunk;
        }),
      );
      request.on('error', () => {});
    }, 500);
    const result = await run(
      fixture.busybox,
      [
        "echo '#!/bin/busybox sh' > /script",
        "echo 'test $1 = bound && ifconfig $interface $ip netmask $subnet && route add default gw $router' >> /script",
        'chmod 755 /script; ifconfig lo up; ifconfig eth0 up; udhcpc -i eth0 -n -q -s /script',
        'route -n; mkdir /www; echo made by the guest > /www/page',
        '(httpd -f -vv -h /www -p 80 2>&1 & echo) | while read line; do case $line in *response:200*) break;; esac; done',
        'usleep 300000',
      ],
      ...['--net', `user,hostfwd=tcp:127.0.0.1:${port}-:80`, '--cmdline', 'quiet ip=off'],
    );
    clearInterval(fetching);
    expect(result).toMatchObject({ code: 0 });
    expect(result.stdout).toMatch(/lease of 10\.0\.2\.15 obtained/);
    expect(result.stdout).toMatch(/^0\.0\.0\.0 +10\.0\.2\.2 +0\.0\.0\.0 +UG/m);
    expect(served).toContain('made by the guest');
  },
  RUN_TIMEOUT_MS,
);
