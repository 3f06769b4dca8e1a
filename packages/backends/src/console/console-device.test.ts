import { XenconsInterface as Page } from '@domu/xen-abi';
import { beforeEach, expect, test } from 'vitest';
import { FakeHost } from '../testing.ts';
import { ConsoleDevice } from './console-device.ts';

const BACKEND = '/local/domain/0/backend/console/5/1';
const FRONTEND = '/local/domain/5/device/console/1';
let host: FakeHost;
let device: ConsoleDevice;
let output: string;
let page: Uint8Array;

const state = (): string | null => host.store.read(`${BACKEND}/state`);

function announce(nodes: Readonly<Record<string, string>>, frontendState: number): void {
  for (const [name, value] of Object.entries(nodes)) host.store.write(`${FRONTEND}/${name}`, value);
  host.store.write(`${FRONTEND}/state`, `${frontendState}`);
  host.settle();
}

function connect(): void {
  page = host.grantPage(8);
  host.ports.add(11);
  announce({ 'ring-ref': '8', port: '11' }, 3);
}

beforeEach(() => {
  host = new FakeHost();
  output = '';
  host.store.write(`${BACKEND}/frontend`, FRONTEND);
  host.store.write(`${BACKEND}/frontend-id`, '5');
  host.store.write(`${FRONTEND}/state`, '1');
  const sink = {
    write: (bytes: Uint8Array) => {
      output += String.fromCharCode(...bytes);
      return true;
    },
  };
  device = new ConsoleDevice({ host, store: host.store, path: BACKEND, sink });
  host.settle();
});

test('a console connects to the ring that its frontend announces, and carries both directions', () => {
  expect([state(), device.input(Uint8Array.of(65))]).toEqual(['2', 0]);
  connect();
  expect([state(), host.nrBound, host.nrMapped]).toEqual(['4', 1, 1]);
  page.set([104, 105], Page.out.offset);
  Page.out_prod.set(new DataView(page.buffer), 0, 2);
  host.kick(11);
  host.settle();
  expect(output).toBe('hi');
  expect(device.input(Uint8Array.of(65, 66))).toBe(2);
  expect([...page.subarray(Page.in.offset, Page.in.offset + 2)]).toEqual([65, 66]);
});

test('it survives a frontend that closes and starts again, and is unplugged for good', () => {
  connect();
  announce({}, 6);
  expect([state(), host.nrBound, host.nrMapped]).toEqual(['6', 0, 0]);
  announce({}, 1);
  connect();
  expect(state()).toBe('4');
  let unplugged = 0;
  device.unplug(() => unplugged++);
  host.settle();
  expect(state()).toBe('5');
  announce({}, 6);
  expect([state(), unplugged, host.nrBound, host.nrMapped]).toEqual(['6', 1, 0, 0]);
});

test.each([
  [{ 'ring-ref': '9', port: '11' }, 'mapping ring-ref 9'],
  [{ 'ring-ref': '8', port: '12' }, 'binding port 12'],
  [{ 'ring-ref': 'x', port: '11' }, 'reading ring-ref and port'],
])('what cannot be connected to (%j) is an error, and nothing stays held', (nodes, reason) => {
  host.grantPage(8);
  host.ports.add(11);
  announce(nodes, 3);
  expect(state()).toBe('5');
  expect(host.store.read('/local/domain/0/error/backend/console/5/1/error')).toContain(reason);
  expect([host.nrBound, host.nrMapped]).toEqual([0, 0]);
});
