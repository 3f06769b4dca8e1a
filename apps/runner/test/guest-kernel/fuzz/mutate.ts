/** Programs with damage: fields of the headers, segments over one another, interpreters that are none, bits. */
import type { Random } from './random.ts';

const EHDR_BYTES = 52;
const PHDR_BYTES = 32;
/** Offset and size of the fields of an ELF header that matter, and of a program header. */
const EHDR_FIELDS = [
  ...[
    [4, 1],
    [5, 1],
    [6, 1],
    [16, 2],
    [18, 2],
    [20, 4],
    [24, 4],
    [28, 4],
    [32, 4],
    [36, 4],
  ],
  ...[
    [40, 2],
    [42, 2],
    [44, 2],
    [46, 2],
    [48, 2],
    [50, 2],
  ],
] as const;
const PHDR_FIELDS = [0, 4, 8, 12, 16, 20, 24, 28] as const;
const TYPES = [0, 1, 1, 2, 3, 4, 6, 7, 0x6474_e551, 0x6474_e552];
const INTERPRETERS = [
  '/ld',
  '/tmp/e',
  '/init',
  '/tmp',
  '/nothing',
  '',
  '/proc/self/exe',
  '/dev/zero',
  '/ok',
  'x'.repeat(300),
];

const values = (random: Random, file: Uint8Array): number =>
  random.pick([
    ...[
      0, 1, 2, 3, 4, 31, 32, 33, 127, 128, 255, 256, 4095, 4096, 4097, 0xffff, 0x1_0000, 0x7fff_ffff,
      0x8000_0000,
    ],
    ...[
      0xffff_ffff, 0xffff_f000, 0xbfff_ffff, 0xc000_0000, 0xbfff_f000, 0x0804_8000, 0x0804_9000, 0x5655_5000,
      0xb7ff_f000,
    ],
    ...[
      file.length,
      file.length - 1,
      file.length + 1,
      random.below(file.length),
      random.word(),
      random.word(),
    ],
  ]) >>> 0;

type Damage = (view: DataView, file: Uint8Array, random: Random) => void;

const put = (view: DataView, at: number, size: number, value: number): void => {
  if (at < 0 || at + size > view.byteLength) return;
  if (size === 1) view.setUint8(at, value);
  else if (size === 2) view.setUint16(at, value, true);
  else view.setUint32(at, value, true);
};

/** Where a program header lies that is chosen at random. */
function someHeader(view: DataView, random: Random): number {
  const count = Math.max(1, Math.min(view.getUint16(44, true), 16));
  const at = view.getUint32(28, true) + PHDR_BYTES * random.below(count);
  return at + PHDR_BYTES <= view.byteLength ? at : EHDR_BYTES;
}

const header: Damage = (view, file, random) => {
  const [at, size] = random.pick(EHDR_FIELDS);
  put(view, at, size, values(random, file));
};

const segment: Damage = (view, file, random) => {
  const field = random.pick(PHDR_FIELDS);
  const value = field === 0 ? random.pick(TYPES) : field === 24 ? random.below(8) : values(random, file);
  put(view, someHeader(view, random) + field, 4, value);
};

/** A field becomes that of another header, a little off. */
const overlap: Damage = (view, _file, random) => {
  const [from, to] = [someHeader(view, random), someHeader(view, random)];
  const field = random.pick(PHDR_FIELDS);
  if (from + field + 4 > view.byteLength) return;
  put(
    view,
    to + field,
    4,
    view.getUint32(from + field, true) + random.pick([0, 0, 1, 4096, -4096, 0x1000_0000]),
  );
};

const swap: Damage = (view, file, random) => {
  const [a, b] = [someHeader(view, random), someHeader(view, random)];
  if (Math.max(a, b) + PHDR_BYTES > file.length) return;
  const first = file.slice(a, a + PHDR_BYTES);
  file.copyWithin(a, b, b + PHDR_BYTES);
  if (random.once(2)) file.set(first, b);
};

const interpreter: Damage = (view, file, random) => {
  const at = someHeader(view, random);
  put(view, at, 4, 3);
  const text = random.pick(INTERPRETERS);
  const place = random.below(file.length);
  file.set(Uint8Array.from(`${text}\0`, (c) => c.charCodeAt(0)).subarray(0, file.length - place), place);
  put(view, at + 4, 4, place);
  put(view, at + 16, 4, text.length + random.pick([1, 1, 1, 0, 2, 4096]));
};

const bits: Damage = (_view, file, random) => {
  for (let i = 1 + random.below(16); i > 0; i--) file[random.below(file.length)]! ^= 1 << random.below(8);
};

const block: Damage = (_view, file, random) => {
  const length = 1 + random.below(64);
  file.set(random.bytes(length).subarray(0, file.length), Math.max(0, random.below(file.length) - length));
};

const DAMAGES: readonly Damage[] = [
  ...[header, segment, segment, segment, overlap, swap, interpreter],
  ...[bits, bits, bits, bits, block, block],
];

/** A damaged copy: one to three changes, and sometimes another length. */
export function mutate(original: Uint8Array, random: Random): Uint8Array {
  const file = original.slice();
  const view = new DataView(file.buffer);
  for (let i = 1 + random.below(3); i > 0; i--) random.pick(DAMAGES)(view, file, random);
  if (random.once(12)) return file.slice(0, random.below(file.length));
  if (!random.once(20)) return file;
  const longer = new Uint8Array(file.length + random.below(8192));
  longer.set(file);
  return longer;
}
