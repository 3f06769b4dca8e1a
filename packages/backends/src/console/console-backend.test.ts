import { XenconsInterface as Page, XENCONS_IN_SIZE, XENCONS_OUT_SIZE } from '@domu/xen-abi';
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { ConsoleBackend } from './console-backend.ts';

/** The guest's end of a console ring. */
class Guest {
  readonly page: Uint8Array = new Uint8Array(4096);
  readonly view: DataView = new DataView(this.page.buffer);
  readonly backend: ConsoleBackend;
  written = '';
  takes = true;
  nrNotified = 0;
  closed = false;
  kick: () => void = () => {};

  constructor(prepare: (guest: Guest) => void = () => {}, maxInputBytes?: number) {
    prepare(this);
    this.backend = new ConsoleBackend({
      page: this.page,
      maxInputBytes,
      sink: {
        write: (bytes) => {
          this.written += String.fromCharCode(...bytes);
          return this.takes;
        },
      },
      bind: (onEvent) => {
        this.kick = onEvent;
        return {
          notify: () => {
            this.nrNotified++;
          },
          close: () => {
            this.closed = true;
          },
        };
      },
    });
  }

  /** @returns how many bytes fitted */
  print(text: string): number {
    const prod = Page.out_prod.get(this.view, 0);
    const room = XENCONS_OUT_SIZE - ((prod - Page.out_cons.get(this.view, 0)) >>> 0);
    const count = Math.min(room, text.length);
    for (let i = 0; i < count; i++) this.page[1024 + ((prod + i) & 2047)] = text.charCodeAt(i);
    Page.out_prod.set(this.view, 0, prod + count);
    return count;
  }

  typed(): string {
    let text = '';
    let cons = Page.in_cons.get(this.view, 0);
    for (; cons !== Page.in_prod.get(this.view, 0); cons = (cons + 1) >>> 0) {
      text += String.fromCharCode(this.page[cons & 1023]);
    }
    Page.in_cons.set(this.view, 0, cons);
    return text;
  }
}

const bytes = (text: string): Uint8Array => Uint8Array.from(text, (char) => char.charCodeAt(0));

let guest: Guest;
beforeEach(() => {
  guest = new Guest();
});

describe('output', () => {
  test('reaches the sink, and the guest is told that there is room', () => {
    guest.print('hello');
    guest.kick();
    expect([guest.written, guest.nrNotified]).toEqual(['hello', 1]);
    guest.kick();
    expect(guest.nrNotified).toBe(1);
  });
  test('that was there before the port was bound is not lost', () => {
    expect(new Guest((early) => early.print('early')).written).toBe('early');
  });
  test('wraps around the ring and around 32 bits', () => {
    guest = new Guest((early) => {
      for (const index of [Page.out_cons, Page.out_prod]) index.set(early.view, 0, 0xffff_ffff - 500);
    });
    const text = Array.from({ length: 5000 }, (_, i) => String.fromCharCode(32 + (i % 90))).join('');
    for (let at = 0; at < text.length; ) {
      at += guest.print(text.slice(at));
      guest.kick();
    }
    expect(guest.written).toBe(text);
  });
  test('waits in the ring while the sink is full', () => {
    guest.takes = false;
    guest.print('a');
    guest.kick();
    guest.print('b');
    guest.kick();
    expect(guest.written).toBe('a');
    guest.takes = true;
    guest.backend.resume();
    expect([guest.written, guest.nrNotified]).toEqual(['ab', 2]);
  });
  test('that is still in the ring at the end is taken, and nothing after it', () => {
    guest.print('last words');
    guest.backend.close();
    guest.print('ghost');
    guest.kick();
    guest.backend.close();
    expect([guest.written, guest.closed]).toEqual(['last words', true]);
  });
});

describe('input', () => {
  test('arrives in the guest, which is notified', () => {
    expect(guest.backend.input(bytes('ls\r'))).toBe(3);
    expect([guest.typed(), guest.nrNotified]).toEqual(['ls\r', 1]);
  });
  test('that does not fit waits until the guest has taken some', () => {
    const text = Array.from({ length: 3000 }, (_, i) => String.fromCharCode(33 + (i % 90))).join('');
    guest.backend.input(bytes(text));
    expect(guest.backend.waitingInputBytes).toBe(3000 - XENCONS_IN_SIZE);
    let seen = '';
    for (let i = 0; i < 4; i++) {
      seen += guest.typed();
      guest.kick();
    }
    expect(seen).toBe(text);
  });
  test('has a bound, and says how much it took', () => {
    guest = new Guest(() => {}, 10);
    expect(guest.backend.input(new Uint8Array(30))).toBe(10);
    expect(guest.backend.input(new Uint8Array(30))).toBe(10);
  });
});

describe('a guest with senseless indices', () => {
  test('is left alone, and served again when they make sense', () => {
    Page.out_prod.set(guest.view, 0, XENCONS_OUT_SIZE + 1);
    Page.in_cons.set(guest.view, 0, 5);
    guest.backend.input(bytes('x'));
    expect([guest.written, guest.nrNotified, guest.backend.metrics.badIndices]).toEqual(['', 0, 2]);
    Page.out_prod.set(guest.view, 0, 0);
    Page.in_cons.set(guest.view, 0, 0);
    guest.print('ok');
    guest.kick();
    expect([guest.written, guest.typed()]).toEqual(['ok', 'x']);
  });
  test('can put anything into its page: a run moves a ringful at most and writes only its own fields', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.integer(), fc.nat(3000)), { minLength: 4, maxLength: 4 }),
        fc.nat(3000),
        (indices, nrTyped) => {
          guest = new Guest();
          const fields = [Page.in_cons, Page.in_prod, Page.out_cons, Page.out_prod];
          for (const [i, field] of fields.entries()) field.set(guest.view, 0, indices[i]);
          const before = guest.page.slice();
          guest.backend.input(new Uint8Array(nrTyped));
          expect(guest.written.length).toBeLessThanOrEqual(XENCONS_OUT_SIZE);
          expect(Buffer.compare(guest.page.subarray(1024, 3072), before.subarray(1024, 3072))).toBe(0);
          expect(Buffer.compare(guest.page.subarray(3088), before.subarray(3088))).toBe(0);
          expect(Page.in_cons.get(guest.view, 0)).toBe(indices[0] >>> 0);
          expect(Page.out_prod.get(guest.view, 0)).toBe(indices[3] >>> 0);
        },
      ),
      { numRuns: 300, seed: 5 },
    );
  });
});
