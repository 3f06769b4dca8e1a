import { ConsoleDevice as BackendConsole } from '@domu/backends';
import { ConsoleDevice, type ConsoleSize, type PvConsole, watchConsoleSize } from '@domu/console';
import { setConsoleSize } from '@domu/toolstack';
import { beforeEach, expect, test } from 'vitest';
import { GUEST, PvWorld } from './world.ts';

const BACKEND = `/local/domain/0/backend/console/${GUEST}/1`;
const FRONTEND = `/local/domain/${GUEST}/device/console/1`;

let world: PvWorld;
let back: BackendConsole;
let front: ConsoleDevice;
let output: Uint8Array[];
/** Bytes that the sink takes before it is full. */
let sinkRoom: number;

const sink = {
  write: (bytes: Uint8Array): boolean => {
    output.push(bytes);
    sinkRoom -= bytes.length;
    return sinkRoom > 0;
  },
};

function console(): PvConsole {
  if (front.console === null) throw new Error('not connected');
  return front.console;
}

function startBack(): void {
  back = new BackendConsole({ host: world.host, store: world.store, path: BACKEND, sink });
}

/** A pattern of which no piece looks like another. */
const pattern = (lengthBytes: number): Uint8Array =>
  new Uint8Array(lengthBytes).map((_, i) => Math.imul(i + 1, 0x9e3779b1) >>> 24);

beforeEach(() => {
  world = new PvWorld();
  output = [];
  sinkRoom = Number.POSITIVE_INFINITY;
  const nodes = { backend: BACKEND, 'backend-id': '0', state: '1' };
  for (const [name, value] of Object.entries(nodes)) world.store.write(`${FRONTEND}/${name}`, value);
  world.store.setPerms(FRONTEND, [`n${GUEST}`, 'r0']);
  for (const name of Object.keys(nodes)) world.store.setPerms(`${FRONTEND}/${name}`, [`n${GUEST}`, 'r0']);
  world.store.write(`${BACKEND}/frontend`, FRONTEND);
  world.store.write(`${BACKEND}/frontend-id`, `${GUEST}`);
  world.store.write(`${BACKEND}/online`, '1');
  world.store.write(`${BACKEND}/state`, '1');
  for (const name of ['', '/state', '/online'])
    world.store.setPerms(`${BACKEND}${name}`, ['n0', `r${GUEST}`]);
  startBack();
  const { guest, events, grants, client, pages } = world;
  front = new ConsoleDevice({ guest, events, grants, store: client, pages, path: 'device/console/1' });
  world.settle();
});

test('megabytes pass out and in, in order, through rings of a page', () => {
  const bytes = pattern(2_000_000);
  let [sent, typed] = [0, 0];
  const pump = (): void => {
    for (let taken = -1; taken !== 0 && sent < bytes.length; sent += taken)
      taken = console().write(bytes.subarray(sent, sent + 3000));
  };
  console().onWritable = pump;
  const got: Uint8Array[] = [];
  const into = new Uint8Array(700);
  console().onReadable = () => {
    for (let count = console().read(into); count > 0; count = console().read(into))
      got.push(into.slice(0, count));
  };
  pump();
  while (sent < bytes.length || typed < bytes.length) {
    typed += back.input(bytes.subarray(typed, typed + 10_000));
    world.settle();
  }
  expect(Buffer.compare(Buffer.concat(output), bytes)).toBe(0);
  expect(Buffer.compare(Buffer.concat(got), bytes)).toBe(0);
});

test('a sink that is full stops a flood in the ring, and nothing is lost', () => {
  sinkRoom = 5000;
  const bytes = pattern(100_000);
  let sent = 0;
  const flood = (): void => {
    for (let taken = -1; taken !== 0 && sent < bytes.length; sent += taken)
      taken = console().write(bytes.subarray(sent));
  };
  console().onWritable = flood;
  flood();
  for (let i = 0; i < 100; i++) world.settle();
  expect(Buffer.concat(output).length).toBeLessThanOrEqual(5000 + 2048);
  expect(sent).toBeLessThanOrEqual(5000 + 2 * 2048);
  sinkRoom = Number.POSITIVE_INFINITY;
  back.resume();
  world.settle();
  expect(Buffer.compare(Buffer.concat(output), bytes)).toBe(0);
});

test('a backend that goes and comes back a hundred times is connected to again, and nothing leaks', () => {
  for (let round = 0; round < 100; round++) {
    expect(console().write(Uint8Array.of(round))).toBe(1);
    world.settle();
    back.close();
    world.settle();
    expect(front.console).toBeNull();
    startBack();
    world.settle();
  }
  expect([...Buffer.concat(output)]).toEqual(Array.from({ length: 100 }, (_, i) => i));
  let closed = 0;
  front.close(() => closed++);
  world.settle();
  expect([closed, world.nrPages, world.nrPorts, world.nrMapped, world.grants.nrLingering]).toEqual([
    1, 0, 0, 0, 0,
  ]);
});

test('unplugged at run time, it ends for good', () => {
  let unplugged = 0;
  back.unplug(() => unplugged++);
  world.settle();
  expect([unplugged, front.console, front.endedBecause]).toEqual([1, null, 'the device was unplugged']);
  expect([world.nrPages, world.nrPorts, world.nrMapped]).toEqual([0, 0, 0]);
});

test('the size of the terminal reaches the guest, and every change of it', () => {
  const sizes: ConsoleSize[] = [];
  const stop = watchConsoleSize(world.client, (size) => sizes.push(size));
  world.settle();
  expect(sizes).toEqual([]);
  for (const size of [
    { columns: 80, rows: 24 },
    { columns: 132, rows: 50 },
  ]) {
    setConsoleSize(world.store, GUEST, size);
    world.settle();
  }
  world.store.write(`/local/domain/${GUEST}/control/console-size`, '0x-1');
  world.settle();
  stop();
  setConsoleSize(world.store, GUEST, { columns: 1, rows: 1 });
  world.settle();
  expect(sizes).toEqual([
    { columns: 80, rows: 24 },
    { columns: 132, rows: 50 },
  ]);
});
