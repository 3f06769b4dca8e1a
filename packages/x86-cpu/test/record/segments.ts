/** An entry of the local descriptor table, as modify_ldt takes it: level 3, accessed, AVL set. */
export interface LdtEntry {
  readonly base: number;
  /** In pages when `pages`. */
  readonly limit: number;
  readonly pages: boolean;
  readonly kind: 'data' | 'expandDown' | 'code' | 'conforming';
  /** Data that cannot be written, code that cannot be read. */
  readonly restricted: boolean;
  readonly present: boolean;
  /** D/B. */
  readonly big: boolean;
}

const plain = { pages: false, kind: 'data', restricted: false, present: true, big: true } as const;
const whole = { ...plain, base: 0, limit: 0xfffff, pages: true } as const;
const small = { ...plain, base: 0, limit: 0xffff, big: false } as const;

/** The local descriptor table of every vector. */
export const LDT: readonly LdtEntry[] = [
  { ...plain, base: 0x9800, limit: 0x7ff },
  { ...plain, base: 0x9400, limit: 0x3ff, kind: 'expandDown' },
  { ...plain, base: 0x9800, limit: 0x7ff, restricted: true },
  { ...plain, base: 0x9000, limit: 1, pages: true },
  { ...whole, present: false },
  { ...whole, kind: 'code' },
  { ...whole, kind: 'code', restricted: true },
  { ...whole, kind: 'conforming', present: false },
  { ...whole, kind: 'code', present: false },
  { ...plain, base: 0x6000, limit: 0xfff, kind: 'code' },
  { ...small, kind: 'code' },
  small,
  whole,
  { ...small, limit: 0x7fff, kind: 'expandDown' },
];

/** Selector of an entry of the LDT, at level 3. */
export const ldt = (index: number): number => index * 8 + 7;

/** Selectors of the host's table for 32-bit programs. Source: linux arch/x86/include/asm/segment.h */
export const USER_CODE = 0x23;
export const USER_DATA = 0x2b;
export const CODE_16: number = ldt(10);
/** Stacks with 16-bit SP. */
export const STACKS_16: readonly number[] = [ldt(11), ldt(13)];
/** Segments for FS: base, limit, direction and write protection. */
export const FS_CHOICES = 4;

const BEYOND = [0x83, 0xf9 * 8 + 7];
const KERNEL = [0x10, 0x13, 0x18];
const NULL = [0, 3];

/** What vectors load into CS: mostly code. 64-bit code (0x33) is left out: a program of 32 bits must not get there. */
export const CODE_SELECTORS: readonly number[] = [
  ...[USER_CODE, USER_CODE, USER_CODE, ldt(5), ldt(5), ldt(6), ldt(9), ldt(9), ldt(10)],
  ...[ldt(7), ldt(8), ldt(12), ldt(4), USER_DATA, ldt(5) - 1, ldt(5) - 3, USER_CODE - 3],
  ...[...BEYOND, ...KERNEL, ...NULL],
];

/** What vectors load into data segment registers and ask LAR, LSL, VERR and VERW about. */
export const DATA_SELECTORS: readonly number[] = [
  ...[USER_DATA, USER_DATA, USER_DATA - 1, USER_DATA - 3, USER_CODE, 0x33],
  ...LDT.map((_, i) => ldt(i)),
  ...[ldt(12) - 1, ldt(12) - 3, ldt(5) - 2, ...BEYOND, ...KERNEL, ...NULL, 1],
];

const KIND_BITS = { data: 0, expandDown: 1, code: 2, conforming: 3 } as const;

/** Number of an entry's kind in modify_ldt, and in bits 2-3 of its type. */
export const kindOf = (entry: LdtEntry): number => KIND_BITS[entry.kind];

function ldtWords(e: LdtEntry): readonly [number, number] {
  const type = 1 | (e.restricted ? 0 : 2) | (kindOf(e) << 2);
  const access = type | 0x70 | (e.present ? 0x80 : 0);
  const flags = (e.pages ? 8 : 0) | (e.big ? 4 : 0) | 1;
  const high =
    ((e.base >>> 16) & 0xff) | (access << 8) | (e.limit & 0xf0000) | (flags << 20) | (e.base & 0xff000000);
  return [((e.limit & 0xffff) | (e.base << 16)) >>> 0, high >>> 0];
}

/** The host's own descriptors, by index. Source: linux arch/x86/kernel/cpu/common.c, gdt_page */
const GDT: Readonly<Record<number, number>> = {
  1: 0x00cf9b00,
  2: 0x00af9b00,
  3: 0x00cf9300,
  4: 0x00cffb00,
  5: 0x00cff300,
  6: 0x00affb00,
};

/** Words of the descriptor that a selector names; null beyond the tables. */
export function descriptorWords(selector: number): readonly [number, number] | null {
  const index = selector >> 3;
  if (selector & 4) {
    const entry = LDT[index];
    return entry ? ldtWords(entry) : null;
  }
  const high = GDT[index];
  return high === undefined ? null : [0xffff, high];
}
