import { XenconsInterface as Page, XENCONS_OUT_SIZE } from '@domu/xen-abi';
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { bytesOf, ConsoleWorld, PAGE, PORT, textOf } from '../test/console-world.ts';
import { openConsole, type PvConsole } from './pv-console.ts';

let world: ConsoleWorld;
let console: PvConsole;

function open(): PvConsole {
  const opened = openConsole(world, { page: PAGE, port: PORT });
  if (typeof opened === 'number') throw new Error(`${opened}`);
  return opened;
}

function readAll(): string {
  const into = new Uint8Array(4096);
  return textOf(into.subarray(0, console.read(into)));
}

beforeEach(() => {
  world = new ConsoleWorld();
  console = open();
});

describe('output', () => {
  test('is in the ring at once, and the daemon is told', () => {
    expect(console.write(bytesOf('hello'))).toBe(5);
    expect(world.nrSent).toBe(1);
    expect(world.takeOutput()).toBe('hello');
  });

  test('that finds no room stays with the writer, who is told when to go on', () => {
    let writable = 0;
    console.onWritable = () => writable++;
    expect(console.write(new Uint8Array(3000))).toBe(XENCONS_OUT_SIZE);
    expect(console.write(bytesOf('x'))).toBe(0);
    world.kick();
    expect(writable).toBe(0);
    world.takeOutput(100);
    world.kick();
    world.kick();
    expect(writable).toBe(1);
    expect(console.write(new Uint8Array(3000))).toBe(100);
  });

  test('nobody is told about room whom nothing had kept waiting', () => {
    console.onWritable = () => {
      throw new Error('nobody waits');
    };
    console.write(bytesOf('hello'));
    world.kick();
  });

  test('of a kernel that cannot wait goes out while the daemon gets its turns', () => {
    let seen = '';
    world.onYield = () => {
      seen += world.takeOutput(700);
    };
    const text = 'all is lost\n'.repeat(500);
    expect(console.writeAll(bytesOf(text))).toBe(true);
    expect(seen + world.takeOutput()).toBe(text);
  });

  test('to a daemon that is gone is given up', () => {
    expect(console.writeAll(new Uint8Array(5000), 10)).toBe(false);
  });
});

describe('input', () => {
  test('is announced and waits for its reader, and the typist is told of the room', () => {
    let readable = 0;
    console.onReadable = () => readable++;
    world.type('ls\r');
    world.kick();
    expect(readable).toBe(1);
    expect(console.readable).toBe(3);
    const sent = world.nrSent;
    const into = new Uint8Array(2);
    expect(console.read(into)).toBe(2);
    expect(textOf(into)).toBe('ls');
    expect(world.nrSent).toBe(sent + 1);
    expect(readAll()).toBe('\r');
    expect(console.read(into)).toBe(0);
    expect(world.nrSent).toBe(sent + 2);
  });

  test('that nobody reads holds up the typist', () => {
    expect(world.type('x'.repeat(2000))).toBe(1024);
    expect(world.type('y')).toBe(0);
    expect(readAll()).toBe('x'.repeat(1024));
    expect(world.type('y')).toBe(1);
  });
});

test('bytes arrive in order whatever the sizes', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(3000), fc.nat(3000)), { maxLength: 40 }), (steps) => {
      world = new ConsoleWorld();
      console = open();
      const [out, input] = [
        { sent: '', got: '' },
        { sent: '', got: '' },
      ];
      let letter = 0;
      const text = (length: number): string =>
        Array.from({ length }, () => String.fromCharCode(33 + (letter++ % 90))).join('');
      for (const [a, b] of steps) {
        const written = text(a);
        out.sent += written.slice(0, console.write(bytesOf(written)));
        out.got += world.takeOutput(b);
        const typed = text(b);
        input.sent += typed.slice(0, world.type(typed));
        const into = new Uint8Array(a);
        input.got += textOf(into.subarray(0, console.read(into)));
      }
      out.got += world.takeOutput();
      input.got += readAll();
      expect(out.got).toBe(out.sent);
      expect(input.got).toBe(input.sent);
    }),
    { numRuns: 30, seed: 1 },
  );
});

test.each([0xffff_ffff, 0x8000_0000, 5000])('a daemon whose indices lie (%i) moves nothing', (index) => {
  Page.out_cons.set(world.view, PAGE, index);
  Page.in_prod.set(world.view, PAGE, index);
  world.kick();
  expect([console.readable, readAll()]).toEqual([0, '']);
  expect(console.write(bytesOf('x'))).toBeLessThanOrEqual(1);
});

test('after a resume the console goes on with the page and port that start_info names then', () => {
  let writable = 0;
  console.onWritable = () => writable++;
  console.write(new Uint8Array(3000));
  world.view.setUint32(PAGE + Page.out_prod.offset, 0, true);
  expect(console.connect({ page: PAGE, port: 3 })).toBe(0);
  expect(writable).toBe(1);
  world.type('x');
  let readable = 0;
  console.onReadable = () => readable++;
  world.kick(3);
  expect(readable).toBe(1);
});

test('a closed console hears nothing and tells nobody', () => {
  console.onReadable = () => {
    throw new Error('closed');
  };
  console.close();
  console.close();
  world.type('x');
  world.kick();
  expect(console.write(bytesOf('last words'))).toBe(10);
  expect(world.nrSent).toBe(0);
});
