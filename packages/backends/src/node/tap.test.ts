import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { frameOf, plainFrame } from '../netback/testing.ts';
import { TapNetwork, tapObstacle } from './tap.ts';

/** Stands in for socat: sends every datagram back to where socat's arguments say. */
const ECHO = `#!${process.execPath}
const [, own, port] = /UDP4-DATAGRAM:127.0.0.1:([0-9]+),bind=127.0.0.1:([0-9]+)/.exec(process.argv.at(-1));
const socket = require('node:dgram').createSocket('udp4');
socket.on('message', (data) => socket.send(data, Number(own), '127.0.0.1'));
socket.bind(Number(port), '127.0.0.1');
`;
const directory = mkdtempSync(join(tmpdir(), 'domu-tap-'));
const path = process.env.PATH;
const fake = (script: string): void => {
  writeFileSync(join(directory, 'socat'), script);
  chmodSync(join(directory, 'socat'), 0o755);
};

beforeAll(() => {
  process.env.PATH = `${directory}:${path}`;
});
afterAll(() => {
  process.env.PATH = path;
  rmSync(directory, { recursive: true });
});

test('what is missing is said', () => {
  const without = tapObstacle('/nowhere');
  expect(without).toMatch(/socat is not installed|\/dev\/net\/tun cannot be opened/);
  fake('#!/bin/sh\n');
  expect([null, '/dev/net/tun cannot be opened; expected Linux and permission to use tap devices']).toContain(
    tapObstacle(directory),
  );
});

test('frames pass to the device and from it, one each', async () => {
  fake(ECHO);
  const network = new TapNetwork({ name: 'tap9', tell: (text) => expect.unreachable(text) });
  const lengths: number[] = [];
  const echoed = new Promise<void>((resolve) => {
    const port = network.attach({
      offloads: { checksum: true, tcpv4: true, tcpv6: true },
      transmit: ({ data, checksum }) => {
        lengths.push(data.length);
        expect(checksum).toBe('present');
        if (new Set(lengths).size === 3) resolve();
        return true;
      },
      resume: () => {},
    });
    // What is sent before the helper listens is lost, as on a cable that is out.
    const timer = setInterval(() => {
      for (const length of [60, 61, 1514]) port.transmit(plainFrame(frameOf(length)));
      if (lengths.length > 0) clearInterval(timer);
    }, 20);
  });
  await echoed;
  network.close();
  expect([...new Set(lengths)].sort((a, b) => a - b)).toEqual([60, 61, 1514]);
});

test('a helper that ends says why, once', async () => {
  fake('#!/bin/sh\necho "socat E ioctl(TUNSETIFF): Operation not permitted" >&2\nexit 1\n');
  const said = await new Promise<string>((resolve) => {
    new TapNetwork({ name: 'tap9', tell: resolve });
  });
  expect(said).toBe('tap device tap9: socat has ended: socat E ioctl(TUNSETIFF): Operation not permitted');
});
