/** Bytes that system calls read: structures, paths, and words that mean something to somebody. */
import { DATA, HOT, ROOM, ROOM_BYTES } from './program.ts';
import type { Random } from './random.ts';

/** What the processes have got so far: numbers that calls returned, and addresses. */
export interface Known {
  readonly numbers: number[];
  readonly addresses: number[];
  readonly handler: number;
  /** Processes and threads; System V's segments, sets and queues; where segments are attached. */
  readonly pids: number[];
  readonly ids: number[];
  readonly attached: number[];
}

const LONG = 'n'.repeat(255);

/** Paths under /tmp, and what the kernel makes up. */
export const PATHS: readonly string[] = [
  // What the first process needs: root can spoil it, and would.
  ...['/init', '/ok', '/probe', '/proc/self/exe', '/proc/1/fd', '/proc/1/environ'],
  ...[
    '/tmp',
    '/tmp/f',
    '/tmp/d',
    '/tmp/d/f',
    '/tmp/d/..',
    '/tmp/l',
    '/tmp/fifo',
    '/tmp/socket',
    '/tmp/x',
    '.',
    '..',
    '',
  ],
  ...[
    '/tmp/d/../../tmp/./f',
    '/tmp//f/',
    '/tmp/f/g',
    '/tmp/loop',
    '/tmp/loop/loop',
    `/tmp/${LONG}`,
    `/tmp/${LONG}n`,
  ],
  ...[
    `/tmp/${'d/../'.repeat(40)}f`,
    `/${'a/'.repeat(100)}`,
    '/nothing',
    '/tmp/script',
    '/tmp/program',
    '/tmp/\x01\xff',
  ],
  ...['/proc', '/proc/self', '/proc/self/fd', '/proc/self/fd/3', '/proc/self/fd/7', '/proc/self/maps'],
  ...[
    '/proc/self/cwd',
    '/proc/self/root/tmp',
    '/proc/self/mem',
    '/proc/self/task',
    '/proc/self/status',
    '/proc/1/stat',
  ],
  ...['/proc/self/cmdline', '/proc/self/environ', '/proc/net/tcp', '/proc/net/unix'],
  ...[
    '/proc/meminfo',
    '/proc/stat',
    '/proc/mounts',
    '/proc/sysvipc/shm',
    '/proc/sys/kernel/sem',
    '/proc/kmsg',
    '/sys',
  ],
  ...[
    '/sys/class/net/lo',
    '/dev/null',
    '/dev/zero',
    '/dev/full',
    '/dev/random',
    '/dev/tty',
    '/dev/console',
    '/dev/ptmx',
  ],
  ...['/dev/pts', '/dev/pts/0', '/dev/kmsg', '/dev/mem', '/dev/hvc0', '/dev/shm', '/dev/fd/4'],
  ...['tmpfs', 'proc', 'ext2', 'devpts', 'user.attribute', 'size=1m', '#!/init', 'abc'],
];

/** How many of PATHS, from the front, root does not get. */
export const SPARED_PATHS = 6;

/** The file's data: all paths, each at a place that is known. */
export function pathData(): { readonly bytes: Uint8Array; readonly addresses: readonly number[] } {
  const text = PATHS.map((path) => `${path}\0`).join('');
  const addresses: number[] = [];
  let at = DATA;
  for (const path of PATHS) {
    addresses.push(at);
    at += path.length + 1;
  }
  return { bytes: Uint8Array.from(text, (c) => c.charCodeAt(0)), addresses };
}

const SIZES = [
  0, 1, 2, 3, 4, 7, 8, 12, 16, 20, 28, 36, 64, 100, 128, 255, 256, 512, 1000, 1024, 4095, 4096, 4097, 8192,
  65_536,
];
const HUGE = [
  0x10_0000, 0x0fff_ffff, 0x4000_0000, 0x7fff_ffff, 0x8000_0000, 0xbfff_ffff, 0xc000_0000, 0xffff_f000,
  0xffff_ffff,
];

export function size(random: Random): number {
  return random.once(8) ? random.pick(HUGE) : random.pick(SIZES);
}

export function flags(random: Random): number {
  switch (random.below(6)) {
    case 0:
      return 0;
    case 1:
      return random.word();
    case 2:
      return (1 << random.below(32)) >>> 0;
    case 3:
      return random.below(16);
    default:
      return ((1 << random.below(24)) | (1 << random.below(16))) >>> 0;
  }
}

export function number(random: Random, known: Known): number {
  switch (random.below(8)) {
    case 0:
      return random.pick([
        0xffff_ffff,
        0xffff_ff9c,
        0x7fff_ffff,
        0x8000_0000,
        0xffff_fffe,
        1 << 16,
        1000,
        4096,
      ]);
    case 1:
    case 2:
      return known.numbers.length > 0 ? random.pick(known.numbers) : 3;
    case 3:
      return random.below(300);
    default:
      return random.below(17);
  }
}

/** An address: mostly one where there is something. */
export function pointer(random: Random, known: Known): number {
  switch (random.below(16)) {
    case 0:
      return 0;
    case 1:
      return random.pick([
        1, 0xffff, 0xc000_0000, 0xbfff_fffe, 0xbfff_f000, 0xffff_ffff, 0xffff_fff0, 0xc000_4000, 0x8000_0000,
      ]);
    case 2:
      return random.word();
    case 3:
      // The end of memory that is there.
      return ROOM + ROOM_BYTES - random.below(64);
    case 4:
      return known.addresses.length > 0 ? random.pick(known.addresses) + random.pick([0, 0, 4, 4095]) : ROOM;
    case 5:
    case 6:
      return ROOM + 4096 * random.below(60) + random.pick([0, 0, 1, 4090, 4095]);
    case 7:
      return 0x0804_8000 + random.below(4096);
    default:
      return hotSlot(random);
  }
}

export const SLOTS = 15;
export const SLOT_BYTES = 256;
export const hotSlot = (random: Random): number => HOT + SLOT_BYTES * random.below(SLOTS);

/** A word that may be anything. */
export function word(random: Random, known: Known): number {
  switch (random.below(6)) {
    case 0:
      return flags(random);
    case 1:
      return pointer(random, known);
    case 2:
      return size(random);
    case 3:
      return random.word();
    default:
      return number(random, known);
  }
}

class Writer {
  readonly bytes: number[] = [];
  u8(...values: readonly number[]): this {
    this.bytes.push(...values.map((value) => value & 255));
    return this;
  }
  u16(...values: readonly number[]): this {
    for (const value of values) this.u8(value, value >>> 8);
    return this;
  }
  u32(...values: readonly number[]): this {
    for (const value of values) this.u16(value, value >>> 16);
    return this;
  }
  text(text: string): this {
    return this.u8(...Array.from(text, (c) => c.charCodeAt(0)));
  }
}

type Maker = (out: Writer, random: Random, known: Known) => void;

/** Seconds and a part of them: short, mostly, so that nobody sleeps long. */
const time: Maker = (out, random) => {
  const seconds = random.once(6) ? random.pick([1, 0xffff_ffff, 0x7fff_ffff, 1_600_000_000]) : 0;
  const part = random.pick([0, 1, 1000, 50_000, 999_999, 999_999_999, 1_000_000_000, 0xffff_ffff]);
  out.u32(seconds);
  if (random.once(2)) out.u32(0);
  out.u32(part);
  if (random.once(2)) out.u32(0);
};

const address: Maker = (out, random) => {
  const family = random.pick([1, 1, 2, 2, 2, 10, 16, 17, 0, random.below(65_536)]);
  out.u16(family);
  if (family === 1) out.text(random.pick(['/tmp/socket', '\0abstract', '', 'x'.repeat(108), '/tmp/f'])).u8(0);
  else if (family === 16) out.u16(0).u32(random.below(3), random.word());
  else {
    out.u8(0, random.pick([0, 7, 80, 255]));
    out.u8(
      ...random.pick([
        [127, 0, 0, 1],
        [0, 0, 0, 0],
        [255, 255, 255, 255],
        [10, 0, 0, 1],
        [224, 0, 0, 1],
      ]),
    );
    out.u32(0, 0);
  }
};

const vectors: Maker = (out, random, known) => {
  for (let i = 1 + random.below(8); i > 0; i--) out.u32(pointer(random, known), size(random));
};

const header: Maker = (out, random, known) => {
  // struct msghdr, with a control message behind it at the same slot's middle.
  const slot = hotSlot(random);
  out.u32(random.pick([0, slot, pointer(random, known)]), random.pick([0, 16, 110, size(random)]));
  out.u32(random.pick([hotSlot(random), pointer(random, known)]), random.pick([0, 1, 2, 1024, size(random)]));
  out.u32(random.pick([0, hotSlot(random)]), random.pick([0, 12, 16, 64, size(random)]), flags(random));
};

const control: Maker = (out, random, known) => {
  out.u32(random.pick([12, 16, 20, 64, size(random)]), random.pick([1, 0, 6]), random.pick([1, 2, 8]));
  for (let i = 0; i < 8; i++) out.u32(number(random, known));
};

const polls: Maker = (out, random, known) => {
  for (let i = 1 + random.below(10); i > 0; i--) out.u32(number(random, known)).u16(flags(random), 0);
};

/** An action of a signal: the handler that there is, most of the time. */
const action: Maker = (out, random, known) => {
  out.u32(random.pick([0, 1, known.handler, known.handler, pointer(random, known)]), flags(random));
  out.u32(random.pick([0, known.handler, random.word()]), random.word(), random.word());
};

const signalSet: Maker = (out, random) => {
  out.u32(
    random.pick([0, 0xffff_ffff, 1 << 13, random.word()]),
    random.pick([0, 0xffff_ffff, random.word()]),
  );
};

const path: Maker = (out, random) => {
  out.text(random.pick(PATHS.slice(SPARED_PATHS)).slice(0, 250)).u8(0);
};

const pointers: Maker = (out, random, known) => {
  for (let i = random.below(6); i > 0; i--) out.u32(pointer(random, known));
  out.u32(0);
};

/** What is executed: a mangled program or a script. */
const program: Maker = (out, random) => {
  if (random.once(2)) {
    out.text(random.pick(['#!', '#! ', '#!\n', '#!/tmp/script', '#!/init -x -y\n', '#!/proc/self/exe\n']));
    return;
  }
  out
    .u8(0x7f, 0x45, 0x4c, 0x46, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    .u16(random.pick([2, 3]), 3)
    .u32(1);
  out
    .u32(random.pick([0x0804_8080, random.word()]), 52, 0, 0)
    .u16(52, 32, random.pick([1, 2, 128, 0xffff]), 40, 0, 0);
  for (let i = 0; i < 3; i++)
    out
      .u32(
        random.pick([1, 1, 3, 6]),
        random.pick([0, 4096, random.word()]),
        random.pick([0x0804_8000, random.word()]),
        0,
      )
      .u32(random.pick([256, size(random)]), random.pick([256, size(random)]), flags(random), 4096);
};

const operations: Maker = (out, random) => {
  for (let i = 1 + random.below(6); i > 0; i--)
    out.u16(
      random.below(6),
      random.pick([0, 1, 0xffff, 2, 0x7fff, 0x8000]),
      random.pick([0, 0x800, 0x1000, 0x1800]),
    );
};

const words: Maker = (out, random, known) => {
  for (let i = 1 + random.below(24); i > 0; i--) out.u32(word(random, known));
};

const netlink: Maker = (out, random) => {
  const type = random.pick([18, 22, 26, 16, 20, 24, 2, 3, random.below(100)]);
  out.u32(random.pick([16, 17, 20, 28, size(random)])).u16(type, random.pick([1, 0x301, 5, flags(random)]));
  out.u32(random.word(), 0, random.word(), 0, 0);
};

const MAKERS: readonly Maker[] = [
  ...[time, time, address, address, vectors, vectors, header, control, polls, action, signalSet, path, path],
  ...[pointers, program, operations, words, words, words, netlink],
];

/** A structure of at most SLOT_BYTES. */
export function structure(random: Random, known: Known): Uint8Array {
  const out = new Writer();
  random.pick(MAKERS)(out, random, known);
  if (random.once(12))
    for (let i = 0; i < 3; i++) out.bytes[random.below(out.bytes.length)] = random.below(256);
  return Uint8Array.from(out.bytes.slice(0, SLOT_BYTES));
}
