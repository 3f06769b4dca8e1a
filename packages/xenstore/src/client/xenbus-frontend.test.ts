import { beforeEach, describe, expect, test } from 'vitest';
import type { Nodes } from './nodes.ts';
import { GUEST, HOME, StoreWorld } from './testing.ts';
import { watchDevices } from './xenbus-devices.ts';
import { type Prepared, XenbusFrontend } from './xenbus-frontend.ts';

const FRONT = `${HOME}/device/vbd/1`;
const BACK = `/local/domain/0/backend/vbd/${GUEST}/1`;

let world: StoreWorld;
let log: string[];
let prepared: Prepared;
let wrong: string | null;
let frontend: XenbusFrontend;

const text = (nodes: Nodes): string => [...nodes].map(([name, value]) => `${name}=${value}`).join(' ');

function plug(): void {
  world.store.write(`${FRONT}/backend`, BACK);
  world.store.write(`${FRONT}/backend-id`, '0');
  world.store.write(`${FRONT}/state`, '1');
  world.store.write(`${BACK}/state`, '1');
  world.store.write(`${BACK}/online`, '1');
  world.store.setPerms(BACK, ['n0', `r${GUEST}`]);
  for (const name of ['state', 'online']) world.store.setPerms(`${BACK}/${name}`, ['n0', `r${GUEST}`]);
}

/** What the backend's side does; @returns the frontend's state after it */
function backend(state: number, nodes: Record<string, string> = {}): string | null {
  for (const [name, value] of Object.entries(nodes)) world.store.write(`${BACK}/${name}`, value);
  world.store.write(`${BACK}/state`, `${state}`);
  world.settle();
  return world.store.read(`${FRONT}/state`);
}

beforeEach(() => {
  world = new StoreWorld();
  log = [];
  prepared = { state: 'ready', nodes: { ring: '7' } };
  wrong = null;
  plug();
  frontend = new XenbusFrontend(world.client, 'device/vbd/1', {
    offers: ['rings'],
    properties: ['size'],
    prepare: (offers, domid) => {
      log.push(`prepare ${text(offers)} for ${domid}`);
      return prepared;
    },
    connected: (properties) => {
      log.push(`connected ${text(properties)}`);
      return wrong;
    },
    stop: () => log.push('stop'),
    release: () => log.push('release'),
    ended: (reason) => log.push(`ended: ${reason}`),
  });
  frontend.start();
  world.settle();
});

describe('a frontend', () => {
  test('waits, chooses, announces, connects', () => {
    expect([log, frontend.state]).toEqual([[], 1]);
    expect(backend(2, { rings: '4' })).toBe('3');
    expect(world.store.read(`${FRONT}/ring`)).toBe('7');
    expect(backend(4, { size: '9' })).toBe('4');
    expect(log).toEqual(['stop', 'release', 'prepare rings=4 for 0', 'connected size=9']);
  });
  test('is told of another size', () => {
    backend(2);
    backend(4, { size: '9' });
    log.length = 0;
    backend(4, { size: '10' });
    expect(log).toEqual(['connected size=10']);
  });
  test('connects again to a backend that closes and stays', () => {
    backend(2);
    backend(4);
    log.length = 0;
    expect(backend(5)).toBe('6');
    expect(log).toEqual(['stop']);
    expect(backend(6)).toBe('1');
    expect(log).toEqual(['stop', 'stop', 'release']);
    expect([backend(2), backend(4)]).toEqual(['3', '4']);
  });
  test('ends with a backend that closes for good', () => {
    backend(2);
    backend(4);
    world.store.write(`${BACK}/online`, '0');
    expect([backend(5), backend(6), backend(2)]).toEqual(['6', '6', '6']);
    expect(log.slice(-2)).toEqual(['release', 'ended: the device was unplugged']);
  });
  test('ends when the backend’s directory goes, and writes nothing when its own does', () => {
    backend(2);
    world.store.rm(FRONT);
    backend(4);
    expect([log.at(-1), world.store.read(FRONT)]).toEqual(['ended: the device was removed', null]);
    world.store.rm(BACK);
    world.settle();
    expect(log.filter((line) => line.startsWith('ended'))).toHaveLength(1);
  });
  test('has a backend that is connected to somebody else’s rings let go first', () => {
    expect([backend(4), backend(6), backend(2), backend(4)]).toEqual(['6', '1', '3', '4']);
  });
  test('tells why it cannot be prepared, and closes', () => {
    prepared = { state: 'failed', reason: 'no memory' };
    expect(backend(2)).toBe('6');
    expect(log.slice(-3)).toEqual(['stop', 'release', 'ended: no memory']);
  });
  test('leaves a backend whose properties make no sense', () => {
    wrong = 'no size';
    backend(2);
    expect(backend(4)).toBe('5');
    expect(log.at(-1)).toBe('ended: no size');
    // What the backend holds is given back once it has let go.
    expect([backend(5), backend(6)]).toEqual(['6', '6']);
    expect(log.at(-1)).toBe('release');
  });
  test('gives up a backend that never connects', () => {
    for (let i = 0; i < 20; i++) {
      backend(2);
      backend(6);
    }
    expect(log.at(-1)).toBe('ended: the backend does not serve this frontend');
    expect(log.filter((line) => line.startsWith('prepare'))).toHaveLength(8);
  });
  test('closes in good order, and says when', () => {
    backend(2);
    backend(4);
    let closed = 0;
    frontend.close(() => closed++);
    world.settle();
    expect(world.store.read(`${FRONT}/state`)).toBe('5');
    expect([backend(5), closed, backend(6), closed]).toEqual(['6', 0, '6', 1]);
    frontend.close(() => closed++);
    expect(closed).toBe(2);
  });
  test('a state that is none is nobody', () => {
    backend(2);
    world.store.write(`${BACK}/state`, 'nonsense');
    world.settle();
    expect(log.at(-1)).toBe('ended: the backend has gone');
  });
  test('connects anew after a resume, wherever it was interrupted', () => {
    for (const before of [1, 2, 4]) {
      if (before > 1) backend(2);
      if (before > 2) backend(4);
      world.store.write(`${BACK}/state`, '1');
      world.client.resume(world.connect());
      frontend.resume();
      world.settle();
      expect([backend(2), backend(4)]).toEqual(['3', '4']);
      expect(log.some((line) => line.startsWith('ended'))).toBe(false);
      backend(5);
      backend(6);
    }
  });
});

test('devices are told of as they come and go, once each', () => {
  const seen: string[] = [];
  const stop = watchDevices(world.client, 'vbd', {
    appeared: (path) => seen.push(`+${path}`),
    vanished: (path) => seen.push(`-${path}`),
  });
  world.settle();
  world.store.write(`${HOME}/device/vbd/2/state`, '1');
  world.store.write(`${HOME}/device/vbd/1/state`, '1');
  world.settle();
  world.store.rm(FRONT);
  world.settle();
  expect(seen.splice(0)).toEqual(['+device/vbd/1', '+device/vbd/2', '-device/vbd/1']);
  world.store.rm(`${HOME}/device`);
  world.settle();
  expect(seen.splice(0)).toEqual(['-device/vbd/2']);
  stop();
  plug();
  world.settle();
  expect(seen).toEqual([]);
});
