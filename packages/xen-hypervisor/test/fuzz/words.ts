import {
  type Call,
  PAGE_GRANT_STATUS,
  PAGE_GRANT_TABLE,
  PAGE_M2P,
  PAGE_NOWHERE,
  PAGE_OWNED,
  PAGE_SHARED_INFO,
  PAGE_XEN,
  type Value,
} from './call.ts';
import {
  CONTEXT_VA,
  FIRST_PLAY_PAGE,
  GRANT_TABLE_VA,
  NR_PAGES,
  NR_PLAY_PAGES,
  SHARED_INFO_VA,
} from './guest.ts';
import type { Random } from './random.ts';

/** Linear addresses that go wrong in one way or another: unmapped, read-only, across the end, Xen's. */
const BAD_POINTERS = [
  ...[0, 0x3_fffc, 0x4_0000, 0x4_5ffe, 0x20_0000, 0x7fff_fffe],
  ...[0xf57f_fffc, 0xf580_0000, 0xf580_0004, 0xfbff_fffe, 0xfc00_0000, 0xffff_f000, 0xffff_fffc],
];
const ODD_NUMBERS = [
  ...[0, 1, 2, 3, 4, 7, 8, 31, 32, 64, 511, 512, 513, 1023, 1024, 4095, 4096, 0x7ff0, 0x7ff1, 0x7ff2, 0x7ff4],
  ...[0xffff, 0x1_0000, 0xf_ffff, 0x10_0000, 0x7fff_ffff, 0x8000_0000, 0x8000_0001, 0xffff_fff0, 0xffff_ffff],
];
const PTE_FLAGS = [
  0x67, 0x67, 0x63, 0x61, 0x65, 0x27, 0x21, 0x23, 7, 1, 3, 0, 0xe7, 0x167, 0x1e7, 0xe67, 0x19, 0xfff,
];
const SPECIAL_PAGES = [
  ...[PAGE_SHARED_INFO, PAGE_GRANT_TABLE, PAGE_GRANT_STATUS],
  ...[PAGE_XEN, PAGE_M2P, PAGE_NOWHERE],
];

/** Words with a chance to mean something, and some that have none. */
export class Words {
  readonly random: Random;

  constructor(random: Random) {
    this.random = random;
  }

  odd(): number {
    return this.random.oneIn(4) ? this.random.u32() : this.random.pick(ODD_NUMBERS);
  }

  /** Usually below `n`. */
  small(n: number): number {
    return this.random.oneIn(24) ? this.odd() : this.random.below(n);
  }

  /** Page number of the caller, mostly one that is there to be played with. */
  page(): number {
    const { random } = this;
    const kind = random.below(32);
    if (kind < 22) return FIRST_PLAY_PAGE + random.below(NR_PLAY_PAGES);
    if (kind < 26) return NR_PAGES - 8 + random.below(14);
    if (kind < 29) return PAGE_OWNED + random.below(80);
    if (kind < 31) return random.pick(SPECIAL_PAGES);
    return random.below(NR_PAGES);
  }

  frame(mul = 1, add = 0): Value {
    const { random } = this;
    const kind = random.below(32);
    if (kind === 0) return this.odd();
    const guest = kind < 4 ? random.below(3) : -1;
    return { kind: 'frame', guest, page: this.page(), mul, add };
  }

  pte(): Value {
    return this.frame(4096, this.random.pick(PTE_FLAGS));
  }

  /** Machine address of an entry of one of the caller's tables, mostly one that maps a page to be played with. */
  entryAddress(): Value {
    const { random } = this;
    const play = random.oneIn(2) ? FIRST_PLAY_PAGE + random.below(NR_PLAY_PAGES) : 72 + random.below(40);
    const slot = random.oneIn(40) ? random.below(512) : play;
    const page = random.oneIn(4) ? this.page() : NR_PAGES - 8 + random.below(14);
    return { kind: 'frame', guest: -1, page, mul: 4096, add: random.pick([0, 0, 0, 0, 2, 2, 1, 3, 4]), slot };
  }

  /** A linear address of the caller. */
  va(): number {
    const { random } = this;
    const kind = random.below(32);
    if (kind < 20) return (FIRST_PLAY_PAGE + random.below(NR_PLAY_PAGES)) * 4096;
    if (kind < 26) return (72 + random.below(40)) * 4096;
    if (kind < 28) return (NR_PAGES - 8 + random.below(8)) * 4096;
    if (kind < 29) return random.oneIn(3) ? random.below(NR_PAGES + 6) * 4096 : SHARED_INFO_VA;
    if (kind < 31) return random.pick(BAD_POINTERS);
    return random.u32();
  }

  /** Like `va`, anywhere in the page. */
  byteVa(): number {
    return (this.va() + this.random.pick([0, 0, 4, 0x800, 0xffc, 0xffe, this.random.below(4096)])) >>> 0;
  }

  /** Where a call's arguments are: nearly always in its own block. */
  pointer(offset = 0): Value {
    const { random } = this;
    if (!random.oneIn(16)) return { kind: 'block', offset };
    return random.pick([
      random.pick(BAD_POINTERS),
      this.byteVa(),
      SHARED_INFO_VA,
      GRANT_TABLE_VA,
      CONTEXT_VA,
    ]);
  }

  domid(): Value {
    const { random } = this;
    if (random.oneIn(3)) return 0x7ff0;
    if (random.oneIn(12)) return this.odd() & 0xffff;
    return { kind: 'domid', guest: random.below(5), shift: 0, low: 0 };
  }

  /** Whose grants the caller may use: mostly one of the others, shifted down to where `low` leaves room. */
  peer(low = 0): Value {
    const guest = this.random.oneIn(8) ? this.random.below(5) : this.random.below(3);
    return { kind: 'domid', guest, shift: 0, low };
  }

  /** A domain in the high half of a word. */
  highDomid(low: number): Value {
    const { random } = this;
    if (random.oneIn(6)) return ((random.pick([0x7ff0, this.odd() & 0xffff]) << 16) | low) >>> 0;
    return { kind: 'domid', guest: random.below(5), shift: 16, low };
  }

  /** How many of something: few, or far too many. */
  count(usual = 3): number {
    const { random } = this;
    return random.oneIn(24) ? this.odd() : 1 + random.below(usual);
  }

  gref(): number {
    return this.random.oneIn(16) ? this.odd() : 8 + this.random.below(20);
  }

  port(): number {
    return this.small(12);
  }

  /** Low and high word of a system time soon, past, or never. */
  time(): [Value, Value] {
    const { random } = this;
    if (random.oneIn(8)) return [this.odd(), this.small(3)];
    return [{ kind: 'now', add: random.pick([0, 500, 5_000, 50_000, 5_000_000]) }, 0];
  }

  list(count: number, make: () => Value): Value[] {
    return Array.from({ length: count }, make);
  }

  call(nr: number, args: readonly Value[], words: readonly Value[] = []): Call {
    return { nr, args, words };
  }
}
