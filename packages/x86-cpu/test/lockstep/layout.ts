/** Bytes of machine memory; linear addresses show it again and again. */
export const RAM_BYTES = 0x10000;
/** Where programs lie: from the last bytes of a page on. */
export const PROGRAM_AT = 0x3f80;
/** A second copy of the program lies so much higher, with other constants: another address space has its code there. */
export const COPY_OFFSET = 0x8000;
/** Programs end before it. */
export const PROGRAM_END = 0x6000;
/** Rounds left of the main loop, calls left to functions that call themselves, a stack pointer to come back to, and counters of inner loops. */
export const COUNTER_AT = 0x2ff0;
export const DEPTH_AT = 0x2ff4;
export const SAVED_SP_AT = 0x2ff8;
export const INNER_AT = 0x2fe0;

/** Selectors that can be loaded, by what they name. */
export const SELECTORS: readonly number[] = [0x2b, 0x2b, 0x2b, 0x33, 0x3b, 0x43, 0x23, 0x4b, 0];
/** Descriptor words by index: 0x23 code, 0x2b flat data, 0x33 with a base, 0x3b read-only, 0x43 not present. */
export const DESCRIPTORS: Readonly<Record<number, readonly [number, number]>> = {
  4: [0x0000_ffff, 0x00cf_fb00],
  5: [0x0000_ffff, 0x00cf_f300],
  6: [0x1000_ffff, 0x00cf_f301],
  7: [0x0000_ffff, 0x00cf_f100],
  8: [0x0000_ffff, 0x00cf_7300],
};
/** Descriptor attributes as segment registers keep them. */
export const CODE_ATTR = 0xc0fb;
export const DATA_ATTR = 0xc0f3;

/** Linear pages whose mapping is a table; those above repeat a pattern. */
export const MAPPED_PAGES = 64;

/**
 * What CPUID does to the world here: EAX is operation | page << 4 | argument << 12. A monitor might do all of this while
 * an instruction is emulated.
 */
export const WorldChange = {
  none: 0,
  invlpg: 1,
  flush: 2,
  protect: 3,
  remap: 4,
  remapAndFlush: 5,
  write: 6,
  switchSpace: 7,
} as const;
