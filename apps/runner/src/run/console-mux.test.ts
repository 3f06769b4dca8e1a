import { beforeEach, describe, expect, test } from 'vitest';
import { ConsoleMux, type MuxMode } from './console-mux.ts';

let shown: string;
let takes: boolean;
let mux: ConsoleMux;

const sink = {
  write: (bytes: Uint8Array): boolean => {
    shown += new TextDecoder().decode(bytes);
    return takes;
  },
};
const make = (mode: MuxMode): void => {
  mux = new ConsoleMux(sink, ['web', 'db'], mode);
};
const say = (guest: number, text: string): boolean => mux.sink(guest).write(new TextEncoder().encode(text));

beforeEach(() => {
  [shown, takes] = ['', true];
});

describe('prefixed', () => {
  beforeEach(() => make('prefixed'));

  test('every line says whose it is', () => {
    say(0, 'one\r\ntwo\r\n');
    say(1, 'three\r\n');
    expect(shown).toBe('web: one\r\nweb: two\r\ndb: three\r\n');
  });

  test('a line that goes on is not begun anew, unless another guest has come between', () => {
    say(0, 'login: ');
    say(0, 'root\r\n');
    say(0, 'half');
    say(1, 'tick\r\n');
    say(0, ' line\r\n');
    expect(shown).toBe('web: login: root\r\nweb: half\r\ndb: tick\r\nweb:  line\r\n');
  });

  test('a place that is full says so to the one who wrote', () => {
    takes = false;
    expect(say(1, 'x')).toBe(false);
  });
});

describe('switched', () => {
  beforeEach(() => make('switched'));

  test('one guest is shown; what another said is shown at the switch to it, once', () => {
    say(0, 'a');
    say(1, 'b');
    expect(shown).toBe('a');
    mux.switchTo(1);
    say(1, 'c');
    say(0, 'd');
    mux.switchTo(0);
    mux.switchTo(1);
    expect(shown).toBe('a\r\n[2: db]\r\nbc\r\n[1: web]\r\nd\r\n[2: db]\r\n');
    expect(mux.focus).toBe(1);
  });

  test('of a guest that is not shown only the end is kept, and it is not held up', () => {
    takes = false;
    for (let i = 0; i < 1000; i++) expect(say(1, `${i}`.padStart(100))).toBe(true);
    mux.switchTo(1);
    expect(shown.length).toBeLessThan(17_000);
    expect(shown.endsWith(' 999')).toBe(true);
  });

  test('a guest that is not there cannot be switched to', () => {
    mux.switchTo(2);
    mux.switchTo(-1);
    expect([mux.focus, shown]).toEqual([0, '']);
  });
});
